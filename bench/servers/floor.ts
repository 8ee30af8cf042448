/**
 * What a request costs at least on this machine: Node's own HTTP server, one line of log, the store's work and the
 * signature, without any protocol. A path for each scenario. Prints its readiness as one JSON line.
 *
 * Writes of one turn are one transaction, and are answered after the log of the store was synced, as Grantable does.
 */
import { createHmac, createSecretKey, generateKeyPairSync, hash, randomBytes, sign } from 'node:crypto';
import { fdatasync, openSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const folder = process.env.BENCH_FOLDER ?? '.';
const file = join(folder, 'floor.db');
const accessLog = openSync(join(folder, 'access.log'), 'a');
const database = new DatabaseSync(file);
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA wal_autocheckpoint = 4000;
  CREATE TABLE rows (key BLOB UNIQUE, expires_at INTEGER, parent INTEGER, document TEXT);
  CREATE INDEX by_expiry ON rows (expires_at);
  CREATE TABLE nodes (id TEXT PRIMARY KEY, revoked_at INTEGER);
`);
const insert = database.prepare('INSERT INTO rows VALUES (?, ?, ?, ?)');
const find = database.prepare('SELECT document FROM rows WHERE key = ? AND expires_at > ?');
const readNodes = database.prepare('SELECT * FROM nodes WHERE id IN (?, ?, ?, ?)');
const update = database.prepare('UPDATE rows SET parent = ? WHERE key = ?');

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const secretKey = createSecretKey(randomBytes(32));
/** As long as an own document of a token. */
const DOCUMENT = JSON.stringify({ id: 'x'.repeat(22), ancestors: ['a'.repeat(22)], more: 'y'.repeat(60) });
const CLAIMS = JSON.stringify({
  permissions: { isAdmin: false, tables: { orders: { create: true, read: true, update: true } } },
  authorization_details: [{ type: 'table_access', identifier: 'orders', actions: ['create', 'read'] }],
  more: 'z'.repeat(500),
});

const keyOf = (value: string): Buffer => hash('sha256', value, 'buffer').subarray(0, 16);
const known = keyOf('the token that is introspected');
insert.run(known, Number.MAX_SAFE_INTEGER, 1, DOCUMENT);

function findToken(): void {
  find.get(known, Date.now());
  readNodes.all('one', 'two', 'three', 'four');
}

function signJwt(): string {
  const input = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${Buffer.from(CLAIMS).toString('base64url')}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

const opaqueToken = (): string => `gat_${randomBytes(32).toString('base64url')}`;

function insertToken(token: string): void {
  insert.run(keyOf(token), Date.now() + 3_600_000, 1, DOCUMENT);
}

function rotate(): void {
  for (let time = 0; time < 3; time += 1) createHmac('sha256', secretKey).update('refresh').digest();
  update.run(Date.now(), known);
}

interface Work {
  /** Before anything is written. */
  read?(): void;
  /** @returns the token of the answer */
  make?(): string;
  write?(token: string): void;
}

const WORK: Record<string, Work> = {
  '/jwt': { make: signJwt, write: insertToken },
  '/opaque': { make: opaqueToken, write: insertToken },
  '/introspection': { read: findToken },
  '/exchange': { read: findToken, make: signJwt, write: insertToken },
  '/refresh': {
    read: findToken,
    make: signJwt,
    write(token) {
      insertToken(token);
      rotate();
    },
  },
};

interface Waiting {
  readonly response: ServerResponse;
  readonly token: string;
  readonly write: (token: string) => void;
}

let waiting: Waiting[] = [];
let isSyncing = false;
let lines: string[] = [];

function answer(response: ServerResponse, token?: string): void {
  const body = `{"access_token":"${token}","rest":${CLAIMS}}`;
  response.writeHead(200, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  response.end(body);
  if (lines.push(`{"level":30,"time":${Date.now()},"method":"POST","path":"/","status":200}\n`) > 1) return;
  setImmediate(() => {
    writeSync(accessLog, lines.join(''));
    lines = [];
  });
}

let log: number | undefined;

function commit(): void {
  if (isSyncing || waiting.length === 0) return;
  const group = waiting;
  waiting = [];
  isSyncing = true;
  database.exec('BEGIN IMMEDIATE');
  for (const { write, token } of group) write(token);
  database.exec('COMMIT');
  log ??= openSync(`${file}-wal`, 'r+');
  fdatasync(log, (error) => {
    if (error) throw error;
    isSyncing = false;
    for (const { response, token } of group) answer(response, token);
    setImmediate(commit);
  });
}

function handle(request: IncomingMessage, response: ServerResponse): void {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    new URLSearchParams(Buffer.concat(parts).toString());
    keyOf(request.headers.authorization ?? '');
    const { read, make, write } = WORK[request.url ?? ''] ?? {};
    read?.();
    const token = make?.();
    if (!write || token === undefined) return answer(response);
    waiting.push({ response, token, write });
    setImmediate(commit);
  });
}

createServer(handle).listen(Number(process.env.BENCH_PORT), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ clientId: '', clientSecret: '', refreshTokens: [] })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
