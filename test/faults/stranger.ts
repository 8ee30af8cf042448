/**
 * A process that does its worst to a server from one address, in several ways at once, until it is told to stop. Each
 * way has a rate, so that what is measured is what a request costs others and not how fast this machine can send.
 * Arguments: the port, and the address to come from.
 */
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';

const [port, from] = [Number(process.argv[2]), String(process.argv[3])];
const HOST = `localhost:${port}`;
/** Requests a second, each way. */
const RATE = 50;
const SLOW_BODIES = 1_200;

function send(path: string, body?: string, headers: Record<string, string> = {}): void {
  const sent = request(
    {
      host: '127.0.0.1',
      port,
      localAddress: from,
      path,
      agent: false,
      method: body === undefined ? 'GET' : 'POST',
      headers: { Host: HOST, ...headers },
    },
    (answer) => answer.resume(),
  );
  // Being cut off is what it is there for.
  sent.on('error', () => undefined);
  sent.end(body);
}

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };
const form = (members: Record<string, string>): string => new URLSearchParams(members).toString();
let made = 0;

const ways: readonly (() => void)[] = [
  // A name of 50 KB that a careless expression would search for minutes.
  () =>
    send(
      '/api/system-api/acme/token',
      JSON.stringify({ authTokenType: 'AM', ['-eyJgit'.repeat(7_000)]: 1 }),
      {
        'Content-Type': 'application/json',
      },
    ),
  // Logins of unknown people, and of one that exists.
  () =>
    send(
      '/oauth/token',
      form({ grant_type: 'password', client_id: 'public', username: `x${made}`, password: 'x' }),
      FORM,
    ),
  () =>
    send(
      '/oauth/token',
      form({ grant_type: 'password', client_id: 'public', username: 'bob', password: 'x' }),
      FORM,
    ),
  // Rows of the customer's database.
  () =>
    send(
      '/oauth/token',
      form({
        grant_type: 'urn:grantable:grant-type:database-user',
        client_id: 'public',
        instance: 'crm',
        database: 'main',
        collection: 'customers',
        username_column: 'email',
        password_column: 'password',
        username: 'eve@acme.example',
        password: 'x',
      }),
      FORM,
    ),
  // Clients that do not exist, and secrets that are wrong.
  () =>
    send(
      '/oauth/token',
      form({ grant_type: 'client_credentials', client_id: `c${made}`, client_secret: 'x' }),
      FORM,
    ),
  () => send('/oauth/introspect', form({ token: 'x', client_id: 'shop-api', client_secret: 'x' }), FORM),
  // Logins in the browser that are not continued.
  () =>
    send(
      `/oauth/authorize?${form({
        client_id: 'web',
        response_type: 'code',
        redirect_uri: 'https://app.acme.example/callback',
        scope: 'openid',
        code_challenge: 'x'.repeat(43),
        code_challenge_method: 'S256',
        state: 's'.repeat(4_000),
      })}`,
    ),
];

const held = new Set<Socket>();

/** Heads whose bodies never come. */
function holdConnections(): void {
  for (let opened = 0; opened < RATE && held.size < SLOW_BODIES; opened += 1) {
    const socket = connect({ host: '127.0.0.1', port, localAddress: from });
    held.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => held.delete(socket));
    socket.write(
      `POST /oauth/token HTTP/1.1\r\nHost: ${HOST}\r\nContent-Type: ${FORM['Content-Type']}\r\nContent-Length: 9\r\n\r\n`,
    );
  }
}

setInterval(() => {
  made += 1;
  for (const way of ways) way();
}, 1_000 / RATE);
setInterval(holdConnections, 100);
process.once('SIGTERM', () => process.exit(0));
process.send?.('ready');
