/** A mail server on this machine that keeps what it gets. */
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { Certificate } from '../support/tls.ts';

export interface Received {
  readonly from: string;
  readonly to: readonly string[];
  /** As it was sent. */
  readonly message: string;
  readonly encrypted: boolean;
  /** Who had logged in. */
  readonly user: string | undefined;
}

export interface MailServer {
  readonly port: number;
  readonly received: Received[];
  /** Names and passwords that were tried. */
  readonly logins: string[];
}

/** Takes `ann` with `s3cret`. */
export async function startMailServer(
  t: TestContext,
  options: SMTPServerOptions = {},
  { certificate, host = '127.0.0.1' }: { certificate?: Certificate; host?: string } = {},
): Promise<MailServer> {
  const received: Received[] = [];
  const logins: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 100,
    ...(certificate && {
      key: readFileSync(certificate.keyFile),
      cert: certificate.pem,
    }),
    onAuth({ username, password }, _, done) {
      logins.push(`${username}:${password}`);
      if (username === 'ann' && password === 's3cret') done(null, { user: username });
      // As some servers do: it quotes what it was given.
      else done(new Error(`unknown login ${username} ${password}`));
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        received.push({
          from: mailFrom ? mailFrom.address : '',
          to: rcptTo.map(({ address }) => address),
          message: Buffer.concat(chunks).toString(),
          encrypted: session.secure,
          user: session.user as string | undefined,
        });
        done(null, 'taken');
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  const listener = server.listen(0, host);
  await new Promise((resolve) => listener.once('listening', resolve));
  t.after(() => new Promise<void>((resolve) => server.close(resolve)));
  return { port: (listener.address() as AddressInfo).port, received, logins };
}

/** Head and body of a message, with quoted-printable and encoded words made readable. */
export function parseMessage(message: string): { head: Map<string, string>; text: string } {
  const [rawHead = '', ...body] = message.split(/\r?\n\r?\n/);
  const lines = rawHead.replaceAll(/\r?\n[ \t]+/g, ' ').split(/\r?\n/);
  const head = new Map(
    lines.map((line) => {
      const at = line.indexOf(':');
      return [line.slice(0, at).toLowerCase(), decodeWords(line.slice(at + 1).trim())];
    }),
  );
  const text = body.join('\n\n').replaceAll('\r\n', '\n');
  const encoding = head.get('content-transfer-encoding');
  if (encoding === 'base64') return { head, text: Buffer.from(text, 'base64').toString() };
  return { head, text: encoding === 'quoted-printable' ? decodeQuoted(text.replaceAll('=\n', '')) : text };
}

function decodeQuoted(text: string): string {
  const bytes = text.replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
}

function decodeWords(text: string): string {
  return text
    .replaceAll(/\?= +=\?/g, '?==?')
    .replaceAll(/=\?utf-8\?([qb])\?([^?]*)\?=/gi, (_, kind: string, word: string) =>
      kind.toLowerCase() === 'b'
        ? Buffer.from(word, 'base64').toString()
        : decodeQuoted(word.replaceAll('_', ' ')),
    );
}
