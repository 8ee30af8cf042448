import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer, type Server } from 'node:tls';
import { openMongooseStorage } from '../../adapters/storage/mongoose/index.ts';
import { CannotOpenStore, StoreUnavailable } from '../../src/storage/contract.ts';
import { HELLO, isGreeting, refusal, startFront, type Take } from '../support/mongo-front.ts';
import { type MongoServer, mongoMissing, startMongo } from '../support/mongodb.ts';
import { makeCertificate } from '../support/tls.ts';

const URL = 'mongodb://127.0.0.1/refusing';

async function openThrough(take: Take, url = URL): Promise<unknown> {
  await using front = await startFront(take);
  return await openMongooseStorage({ url: front.through(url) }).catch((error: unknown) => error);
}

function assertRefused(error: unknown, sentence: RegExp): void {
  assert.ok(error instanceof CannotOpenStore, String(error));
  assert.match(error.message, sentence);
  assert.doesNotMatch(error.message, /hunter2|\n/);
}

/** Greets, and answers everything else with `answer`. */
const greeting =
  (answer: object): Take =>
  (command) =>
    isGreeting(command) ? HELLO : answer;

describe('a MongoDB that waiting does not mend is refused in a sentence', { concurrency: true }, () => {
  test('one that is too old for the driver', async () => {
    const error = await openThrough(() => ({ ...HELLO, maxWireVersion: 6 }));
    assertRefused(error, /^The database does not fit the driver of MongoDB: ".* wire version/);
  });

  test('one that refuses the credentials', async () => {
    const error = await openThrough(
      greeting(refusal(18, 'Authentication failed.')),
      'mongodb://grantable:hunter2@127.0.0.1/refusing',
    );
    assertRefused(
      error,
      /^The database refuses the credentials: "Authentication failed\."\. Check the username/,
    );
  });

  test('one that wants credentials where there are none', async () => {
    const error = await openThrough(greeting(refusal(13, 'command insert requires authentication')));
    assertRefused(error, /^The database refuses the credentials: "command insert requires authentication"/);
  });

  test('one that lacks a command or an operator', async () => {
    const error = await openThrough(greeting(refusal(238, 'operator $max is not implemented')));
    assertRefused(
      error,
      /^The database refuses a command .*: "operator \$max is not implemented" \(code 238\)/,
    );
  });

  test('a URL with an option that there is not', async () => {
    const error = await openMongooseStorage({ url: `${URL}?surprise=1` }).catch((reason: unknown) => reason);
    assertRefused(error, /^GRANTABLE_STORAGE cannot be used: "option surprise is not supported"\.$/);
  });
});

describe('a MongoDB that is away is waited for', { concurrency: true }, () => {
  const away = async (url: string, says: RegExp): Promise<void> => {
    const error = await openMongooseStorage({ url }).catch((reason: unknown) => reason);
    assert.ok(error instanceof StoreUnavailable, String(error));
    assert.match(error.message, says);
  };

  test('one whose host name does not resolve yet, and it is named', async () => {
    await away('mongodb://db.invalid/x', /^the host name "db\.invalid" of the database does not resolve/);
    await away('mongodb+srv://db.invalid/x', /^the host name "_mongodb\._tcp\.db\.invalid" of the database/);
  });

  test('one that ends each connection, whether TLS was asked for or not', async () => {
    const closing = createNetServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => closing.listen(0, '127.0.0.1', resolve));
    const url = `mongodb://127.0.0.1:${(closing.address() as { port: number }).port}/x`;
    await away(url, /^the database does not answer: ".*closed"$/);
    await away(`${url}?tls=true`, /^the database does not answer: ".*TLS connection/);
    closing.close();
  });

  test('a front whose database is down, before the start and in the middle of it', async () => {
    for (const [code, labels] of [[1], [94], [50_463_173], [238, ['RetryableError']]] as const) {
      const answer = refusal(code, 'connection to server failed');
      await using front = await startFront(greeting({ ...answer, ...(labels && { errorLabels: labels }) }));
      await away(
        front.through(URL),
        new RegExp(`^the database answers with an error: "connection to server failed" \\(code ${code}\\)$`),
      );
    }
  });
});

const skip = mongoMissing() || (process.env.MONGODB_URI ? 'needs a server without TLS' : false);

describe('the wrong setting of tls is refused in a sentence', { skip, concurrency: true }, () => {
  let mongo: MongoServer;
  let folder: string;
  let secure: Server;
  before(async () => {
    mongo = await startMongo();
    folder = await mkdtemp(join(tmpdir(), 'grantable-tls-'));
    const { keyFile, certFile } = await makeCertificate(folder);
    const [key, cert] = await Promise.all([readFile(keyFile), readFile(certFile)]);
    secure = createServer({ key, cert }, (client) => {
      const upstream = connect(Number(mongo.port), '127.0.0.1');
      client.on('error', () => upstream.destroy()).once('close', () => upstream.destroy());
      client.pipe(upstream).pipe(client);
    });
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    secure.close();
    await mongo[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const urlOfSecure = () => `mongodb://127.0.0.1:${(secure.address() as { port: number }).port}/x`;
  const open = (url: string) => openMongooseStorage({ url }).catch((error: unknown) => error);
  const MISMATCH = /^The database answers only with the other setting of tls:/;

  test('a server that does not speak TLS, asked with it', async () => {
    assertRefused(await open(`${mongo.newUrl()}?tls=true`), MISMATCH);
  });

  test('a server that speaks TLS, asked without it', async () => {
    assertRefused(await open(urlOfSecure()), MISMATCH);
  });

  test('a server whose certificate is not trusted', async () => {
    const error = await open(`${urlOfSecure()}?tls=true`);
    assertRefused(error, /^The TLS connection to the database fails: "self-signed certificate/);
  });
});
