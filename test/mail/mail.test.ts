import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { inspect } from 'node:util';
import { MalformedRequest, Unavailable } from '../../src/errors/domain.ts';
import type { Letter } from '../../src/mail/letters.ts';
import { createMail, type Mail } from '../../src/mail/mail.ts';
import type { SmtpServer } from '../../src/mail/smtp.ts';
import { type Certificate, makeCertificate } from '../support/tls.ts';
import { until } from '../support/until.ts';
import { parseMessage, startMailServer } from './smtp-server.ts';

const FROM = 'accounts@example.com';
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const LINK = `https://id.example.com/account/activate?token=gmt_${'aB3-_'.repeat(8)}xyz`;
const LETTER: Letter = {
  to: 'ann@acme.example',
  subject: 'Activate your account',
  text: `Hello Änn,\n\n${LINK}\n`,
};

let folder: string;
/** For localhost and 127.0.0.1, and trusted; and one that is not trusted. */
let certificate: Certificate;
let strange: Certificate;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'grantable-mail-'));
  const make = async (name: string): Promise<Certificate> => {
    await mkdir(join(folder, name));
    return makeCertificate(join(folder, name));
  };
  [certificate, strange] = [await make('trusted'), await make('strange')];
  setDefaultCACertificates([...getCACertificates('default'), certificate.pem]);
});
after(() => rm(folder, { recursive: true, force: true }));

function mailTo(port: number, server: Partial<SmtpServer> = {}): Mail {
  return createMail({
    smtp: { server: { host: '127.0.0.1', port, encryption: 'none', ...server }, from: FROM },
    production: true,
    dataDir: join(folder, 'data'),
    log: { info: () => assert.fail('nothing is logged of a mail that went out') },
    now: () => NOW,
  });
}

/** What it says of why; nothing of the letter or the login is in it. */
async function refusalOf(sending: Promise<void>): Promise<string> {
  const error = await sending.then(
    () => assert.fail('it was sent'),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Unavailable, inspect(error));
  assert.ok(error.retryAfter > 0);
  assert.equal(error.description, undefined);
  assert.ok(error.cause instanceof Error);
  assert.ok(error.reason?.includes(error.cause.message));
  assert.match(error.reason ?? '', /^[^\p{Cc}]{1,400}$/u);
  const everything = inspect(error, { depth: 9, showHidden: true });
  assert.doesNotMatch(everything, /s3cret|hunter2|ann|acme|gmt_|Activate/);
  for (const secret of ['s3cret', '\0ann\0s3cret', '\0ann\0hunter2', 'hunter2']) {
    assert.ok(!everything.includes(Buffer.from(secret).toString('base64')), secret);
  }
  return error.reason ?? '';
}

/** @param talk what it does with a connection */
async function startOther(t: TestContext, talk: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    talk(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Answers each command as the list says by its first word, else with 250. */
function answering(answers: Readonly<Record<string, string>>): (socket: Socket) => void {
  return (socket) => {
    socket.write('220 there\r\n');
    let isMessage = false;
    socket.on('data', (data) => {
      for (const line of data.toString().split('\r\n').slice(0, -1)) {
        if (isMessage && line !== '.') continue;
        const word = isMessage ? '.' : (line.split(' ')[0] ?? '');
        const answer = answers[word] ?? (word === 'DATA' ? '354 go on' : '250 fine');
        isMessage = word === 'DATA' && answer.startsWith('354');
        socket.write(`${answer.replaceAll('$line', line)}\r\n`);
      }
    });
  };
}

test('a mail arrives whole, from the configured address, for one person', async (t) => {
  const server = await startMailServer(t);
  const mail = mailTo(server.port);
  assert.equal(mail.available, true);
  await mail.send({ ...LETTER, subject: 'Änderung für „Ann“ 🔑 '.repeat(8).trim() });
  const [got, ...others] = server.received;
  assert.deepEqual(others, []);
  assert.equal(got?.from, FROM);
  assert.deepEqual(got?.to, [LETTER.to]);
  const { head, text } = parseMessage(got?.message ?? '');
  assert.equal(text.trimEnd(), LETTER.text.trimEnd());
  assert.ok(text.split('\n').includes(LINK));
  assert.equal(head.get('from'), FROM);
  assert.equal(head.get('to'), LETTER.to);
  assert.equal(head.get('subject'), 'Änderung für „Ann“ 🔑 '.repeat(8).trim());
  assert.equal(Date.parse(head.get('date') ?? ''), NOW - (NOW % 1000));
  assert.equal(head.get('auto-submitted'), 'auto-generated');
  assert.match(head.get('message-id') ?? '', /@example\.com>$/);
  assert.match(head.get('content-type') ?? '', /^text\/plain; charset=utf-8$/i);
  assert.equal(head.get('x-mailer'), undefined);
});

test('SMTP commands in a text stay text', async (t) => {
  const server = await startMailServer(t);
  const text = [
    ...['.', '..', '.\n.', 'RCPT TO:<eve@evil.example>', '=2E', '--', 'From me', ' '],
    ...['\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n', '\n.\nQUIT', '\r.\rRSET', '\n.\r\nDATA', 'end'],
  ].join('\n');
  await mailTo(server.port).send({ ...LETTER, text });
  assert.equal(server.received.length, 1);
  const got = parseMessage(server.received[0]?.message ?? '').text;
  const plain = (written: string): string => written.replaceAll(/\r\n?/g, '\n').trimEnd();
  assert.equal(plain(got), plain(text));
});

test('international addresses and domains are written to', async (t) => {
  const server = await startMailServer(t);
  await mailTo(server.port).send({ ...LETTER, to: 'änn@bücher.example' });
  assert.deepEqual(server.received[0]?.to, ['änn@bücher.example']);
});

test('a login is made, and a mail goes out encrypted', async (t) => {
  const login = { user: 'ann', password: 's3cret' };
  const starttls = await startMailServer(t, {}, { certificate });
  await mailTo(starttls.port, { encryption: 'starttls', login }).send(LETTER);
  await mailTo(starttls.port, { host: 'localhost', encryption: 'starttls', login }).send(LETTER);
  const tls = await startMailServer(t, { secure: true }, { certificate });
  await mailTo(tls.port, { encryption: 'tls', login }).send(LETTER);
  for (const { encrypted, user } of [...starttls.received, ...tls.received]) {
    assert.equal(encrypted, true);
    assert.equal(user, 'ann');
  }
  assert.equal(starttls.received.length + tls.received.length, 3);
});

test('without encryption a self-signed certificate is not an obstacle', async (t) => {
  const server = await startMailServer(t, {}, { certificate: strange });
  await mailTo(server.port).send(LETTER);
  assert.equal(server.received[0]?.encrypted, false);
});

test('where STARTTLS is demanded, nothing is said without it', async (t) => {
  const login = { user: 'ann', password: 's3cret' };
  const plain = await startMailServer(t, { hideSTARTTLS: true, disabledCommands: ['STARTTLS'] });
  const starttls = { encryption: 'starttls', login } as const;
  assert.match(await refusalOf(mailTo(plain.port, starttls).send(LETTER)), /answered 5\d\d.* to STARTTLS/);
  assert.deepEqual([plain.logins, plain.received], [[], []]);

  const said: string[] = [];
  const talk = answering({ EHLO: '250-there\r\n250 AUTH PLAIN', STARTTLS: '454 4.7.0 not now' });
  const refusing = await startOther(t, (socket) => {
    socket.on('data', (data) => said.push(data.toString()));
    talk(socket);
  });
  assert.match(await refusalOf(mailTo(refusing, starttls).send(LETTER)), /answered 454 4\.7\.0 to STARTTLS/);
  assert.match(said.join(''), /^EHLO [^\r]+\r\nSTARTTLS\r\n$/);
});

test('a server without TLS is not spoken to where TLS is demanded', async (t) => {
  const server = await startMailServer(t);
  assert.match(await refusalOf(mailTo(server.port, { encryption: 'tls' }).send(LETTER)), /ESOCKET|ETLS/);
  assert.deepEqual(server.received, []);
});

test('certificates are checked, for STARTTLS too and whatever the environment says', async (t) => {
  const warnings = process.listeners('warning');
  process.removeAllListeners('warning');
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.after(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    for (const listener of warnings) process.on('warning', listener);
  });
  for (const encryption of ['starttls', 'tls'] as const) {
    const secure = encryption === 'tls';
    const unknown = await startMailServer(t, { secure }, { certificate: strange });
    const refused = await refusalOf(mailTo(unknown.port, { encryption }).send(LETTER));
    assert.match(refused, /self-signed certificate/);
    // The certificate is good, but for another address.
    const other = await startMailServer(t, { secure }, { certificate, host: '127.0.0.2' });
    const wrong = await refusalOf(mailTo(other.port, { encryption, host: '127.0.0.2' }).send(LETTER));
    assert.match(wrong, /does not match certificate/);
    assert.deepEqual([...unknown.received, ...other.received], []);
  }
});

test('a refused login is told without the login', async (t) => {
  const server = await startMailServer(t, { allowInsecureAuth: true });
  const login = { user: 'ann', password: 'hunter2' };
  assert.match(await refusalOf(mailTo(server.port, { login }).send(LETTER)), /answered 535 to AUTH/);
  assert.deepEqual([server.logins, server.received], [['ann:hunter2'], []]);
});

test('a server that takes no login is not given mail without one', async (t) => {
  const server = await startMailServer(t, { disabledCommands: ['AUTH'] });
  const login = { user: 'ann', password: 's3cret' };
  assert.match(await refusalOf(mailTo(server.port, { login }).send(LETTER)), /answered 5\d\d.* to AUTH/);
  assert.deepEqual(server.received, []);
});

test('words of a mail or a login that a server quotes are not repeated', async (t) => {
  const login = { user: 'ann', password: 's3cret' };
  const ehlo = '250-there\r\n250 AUTH PLAIN';
  for (const [word, answer, said] of [
    ['AUTH', '500 5.5.2 what is $line', /answered 500 5\.5\.2 to AUTH PLAIN/],
    ['AUTH', '$line', /answered no SMTP reply to AUTH PLAIN/],
    ['MAIL', '550-5.7.1 no\r\n550 5.7.1 $line', /answered 550-5\.7\.1 to MAIL FROM/],
    ['RCPT', '550 5.1.1 <ann@acme.example> is unknown', /answered 550 5\.1\.1 to RCPT TO/],
    ['DATA', '451 not for ann', /answered 451 to DATA/],
    ['.', `554 5.7.1 ${LINK} is listed`, /answered 554 5\.7\.1 to DATA/],
  ] as const) {
    const port = await startOther(t, answering({ EHLO: ehlo, AUTH: '235 fine', [word]: answer }));
    assert.match(await refusalOf(mailTo(port, { login }).send(LETTER)), said, answer);
  }
  const greeting = await startOther(t, (socket) => socket.end('554 5.3.2 no mail for ann today\r\n'));
  assert.match(await refusalOf(mailTo(greeting).send(LETTER)), /answered 554 5\.3\.2/);
  const endless = await startOther(t, (socket) => socket.write(`220-${'ann'.repeat(100_000)}`));
  assert.match(await refusalOf(mailTo(endless).send(LETTER)), /EPROTOCOL/);
});

test('a server that is away or hangs up is told at once', async (t) => {
  const closed = await startOther(t, () => undefined);
  const gone = await startOther(t, (socket) => socket.destroy());
  const free = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => free.once('listening', resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  assert.notEqual(port, closed);
  assert.match(await refusalOf(mailTo(port).send(LETTER)), /ECONNREFUSED/);
  assert.match(await refusalOf(mailTo(gone).send(LETTER)), /ECONNECTION|ESOCKET/);
  assert.match(await refusalOf(mailTo(port, { host: 'nowhere.invalid' }).send(LETTER)), /EDNS|ETIMEDOUT/);
});

test('a server that hangs is waited for a few seconds, wherever it hangs', async (t) => {
  const silent = await startOther(t, () => undefined);
  const halfway = await startOther(t, (socket) => {
    socket.write('220 there\r\n');
    socket.once('data', () => socket.write('250 fine\r\n'));
  });
  // Never silent, never done.
  const slow = await startOther(t, (socket) => {
    socket.write('220 there\r\n');
    socket.once('data', () => {
      const timer = setInterval(() => socket.write('250-more\r\n'), 200);
      socket.once('close', () => clearInterval(timer));
    });
  });
  const noHandshake = await startOther(t, () => undefined);
  const given: string[] = [];
  const cases: [string, Promise<void>, RegExp][] = [
    ['silent', mailTo(silent).send(LETTER), /ETIMEDOUT/],
    ['no handshake', mailTo(noHandshake, { encryption: 'tls' }).send(LETTER), /ETIMEDOUT/],
    ['halfway', mailTo(halfway).send(LETTER), /ETIMEDOUT/],
    ['slow', mailTo(slow).send(LETTER), /took more than 10 s/],
  ];
  await Promise.all(
    cases.map(async ([name, sending, said]) => {
      assert.match(await refusalOf(sending), said);
      given.push(name);
    }),
  );
  assert.equal(given.at(-1), 'slow', 'a server that goes on talking is given the most time');
});

test('only so many mails are under way at once', async (t) => {
  const waiting: (() => void)[] = [];
  const server = await startMailServer(t, { onConnect: (_, done) => void waiting.push(() => done()) });
  const mail = mailTo(server.port);
  const sending = Array.from({ length: 20 }, () => mail.send(LETTER));
  await until('20 are under way', () => waiting.length === 20);
  await assert.rejects(mail.send(LETTER), (error) => error instanceof Unavailable && error.retryAfter === 5);
  for (const go of waiting.splice(0)) go();
  await Promise.all(sending);
  const another = mail.send(LETTER);
  await until('another one is', () => waiting.length === 1);
  waiting[0]?.();
  await another;
  assert.equal(server.received.length, 21);
});

test('a value that would change the head of a mail is refused', async (t) => {
  let connections = 0;
  const port = await startOther(t, () => {
    connections += 1;
  });
  const { dataDir, files } = await openFiles(t);
  const breaks = ['\r\n', '\n', '\r', '\0', '\u0085', '\u2028', '\u2029', '\u000b', '\ud800', '\t'];
  const refused: Partial<Letter>[] = [
    ...breaks.flatMap((end) => [
      { to: `ann@acme.example${end}Bcc: eve@evil.example` },
      { to: `ann@acme.example${end}` },
      { to: `ann${end}@acme.example` },
      { subject: `Hello${end}Bcc: eve@evil.example` },
      { subject: `${end}Hello` },
    ]),
    ...[
      'ann@acme.example,eve@evil.example',
      'ann@acme.example, eve@evil.example',
      'ann@acme.example;eve@evil.example',
      'ann@acme.example eve@evil.example',
      'Ann <ann@acme.example>',
      '<ann@acme.example>',
      'friends:ann@acme.example,eve@evil.example;',
      '"eve@evil.example,"@acme.example',
      'ann@acme.example>RCPT TO:<eve@evil.example',
      'ann(@evil.example)@acme.example',
      'eve@evil.example@acme.example',
      'ann@[127.0.0.1]',
      'ann',
      '@acme.example',
      'ann@',
      '',
      `${'a'.repeat(100_000)}@acme.example`,
    ].map((to) => ({ to })),
    ...['', ' ', 'x'.repeat(501)].map((subject) => ({ subject })),
    { text: 'a\0b' },
    { text: 'a\ud800b' },
  ];
  for (const mail of [mailTo(port), files]) {
    for (const change of refused) {
      await assert.rejects(
        mail.send({ ...LETTER, ...change }),
        (error) => error instanceof MalformedRequest && /^The \w+ of a mail /.test(error.description ?? ''),
        JSON.stringify(change).slice(0, 200),
      );
    }
  }
  assert.equal(connections, 0);
  await assert.rejects(readdir(join(dataDir, 'mail')), /ENOENT/);
});

/** Mail of a development server. */
async function openFiles(t: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), 'grantable-mail-files-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const lines: { members: object; message: string }[] = [];
  const files = createMail({
    smtp: undefined,
    production: false,
    dataDir: join(dataDir, 'data'),
    log: { info: (members, message) => void lines.push({ members, message }) },
    now: () => NOW,
  });
  return { dataDir: join(dataDir, 'data'), lines, files };
}

test('outside production a mail is a private file whose path is logged', async (t) => {
  const { dataDir, lines, files } = await openFiles(t);
  assert.equal(files.available, true);
  await files.send({ ...LETTER, subject: 'Änderung', text: LETTER.text.replaceAll('\n', '\r\n') });
  await files.send(LETTER);
  const names = (await readdir(join(dataDir, 'mail'))).sort();
  assert.equal(new Set(names).size, 2);
  for (const name of names) {
    assert.match(name, /^2026-01-02T03-04-05-678Z-[0-9a-f]{16}\.eml$/);
    assert.equal((await stat(join(dataDir, 'mail', name))).mode & 0o777, 0o600);
  }
  assert.equal((await stat(join(dataDir, 'mail'))).mode & 0o777, 0o700);
  const paths = lines.map(({ members }) => (members as { path: string }).path);
  assert.deepEqual(paths.toSorted(), names.map((name) => join(dataDir, 'mail', name)).sort());
  assert.doesNotMatch(JSON.stringify(lines), /ann@|gmt_|Activate|nderung/);

  const { head, text } = parseMessage(await readFile(paths[0] ?? '', 'utf8'));
  assert.deepEqual(Object.fromEntries(head), {
    date: 'Fri, 02 Jan 2026 03:04:05 +0000',
    from: 'grantable@localhost',
    to: LETTER.to,
    subject: 'Änderung',
    'mime-version': '1.0',
    'content-type': 'text/plain; charset=utf-8',
    'content-transfer-encoding': '8bit',
  });
  assert.equal(text, LETTER.text);
});

test('an open mail folder is closed, and an unwritable one is reported', async (t) => {
  const { dataDir, files } = await openFiles(t);
  await mkdir(join(dataDir, 'mail'), { recursive: true });
  await chmod(join(dataDir, 'mail'), 0o755);
  await files.send(LETTER);
  assert.equal((await stat(join(dataDir, 'mail'))).mode & 0o777, 0o700);
  await rm(join(dataDir, 'mail'), { recursive: true });
  await writeFile(join(dataDir, 'mail'), '');
  await assert.rejects(files.send(LETTER), (error) => error instanceof Unavailable);
});

test('production without a mail server has no mail', async (t) => {
  const { dataDir } = await openFiles(t);
  const log = { info: () => assert.fail('nothing is logged') };
  const mail = createMail({ smtp: undefined, production: true, dataDir, log, now: () => NOW });
  assert.equal(mail.available, false);
  await assert.rejects(mail.send(LETTER), (error) => error instanceof Unavailable && error.retryAfter > 0);
  await assert.rejects(readdir(dataDir), /ENOENT/);
});
