/** Where a recording is played: a server of its own, so that neither counts nor clocks of another can be seen in it. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, type IncomingMessage, request as sendRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { AUTHOR } from '../support/exchange.ts';
import { startServer, type TestServer, tablesOf } from '../support/server.ts';
import { until } from '../support/until.ts';
import { type Known, match, render } from './matching.ts';
import type { Claims, Introspection, RecordedRequest, RecordedResponse, Step } from './recordings.ts';

/** A world for recordings: a change to the tests' fixture, and what else the server starts with. */
export interface Fixture {
  /** Changes the file that is applied at start. */
  readonly change: (fixture: any) => void;
  readonly env?: Readonly<Record<string, string>>;
  /** Puts files into the data folder before the server starts. */
  readonly prepare?: (dataDir: string) => void;
}

export type Fixtures = Readonly<Record<string, Fixture>>;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export class Stage {
  readonly #server: TestServer;
  readonly #known: Known;
  /** Names of mails. */
  readonly #read = new Set<string>();

  private constructor(server: TestServer) {
    this.#server = server;
    this.#known = {
      values: new Map<string, unknown>([['issuer', server.issuer]]),
      now: () => Date.now() + server.clock.offset,
    };
  }

  static async open({ change, env = {}, prepare }: Fixture): Promise<Stage> {
    const dataDir = await mkdtemp(join(tmpdir(), 'grantable-wire-'));
    try {
      prepare?.(dataDir);
      return new Stage(await startServer({ dataDir, fixture: change, env }));
    } catch (error) {
      await rm(dataDir, { recursive: true });
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await rm(this.#server.dataDir, { recursive: true, force: true });
  }

  async play({ request, response, then: checks, ...action }: Step): Promise<void> {
    if (action.advance !== undefined) this.#server.clock.offset += action.advance;
    if (action.mail) await this.#readMail(action.mail);
    if (action.revoke) await this.#revoke(action.revoke);
    if (action.disable !== undefined) await this.#disable(action.disable);
    if (action.settings) await this.#changeSettings(action.settings);
    if (request && response) this.#compare(response, await this.#send(request));
    for (const each of checks?.jwt ?? []) this.#checkClaims(each);
    for (const each of checks?.introspect ?? []) await this.#introspect(each);
  }

  /** Nothing is added to what is recorded, as a client of ours might do. */
  async #send({ method, path, user, headers, body }: RecordedRequest): Promise<Answer> {
    const { hostname, port, host } = new URL(this.#server.issuer);
    const content = body === undefined ? undefined : render(body, this.#known);
    const sent = sendRequest({
      hostname,
      port,
      method,
      path: render(path, this.#known),
      agent: false,
      headers: {
        Host: host,
        ...Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name, render(value, this.#known)]),
        ),
        ...(user !== undefined && {
          Authorization: `Basic ${Buffer.from(render(user, this.#known)).toString('base64')}`,
        }),
        ...(content !== undefined && { 'Content-Length': Buffer.byteLength(content) }),
      },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject);
    });
    sent.end(content);
    const message = await answered;
    return { status: message.statusCode ?? 0, headers: message.headers, text: await text(message) };
  }

  #compare(expected: RecordedResponse, actual: Answer): void {
    const isJson = typeof expected.body !== 'string';
    const differences = [
      ...match(String(expected.status), String(actual.status), this.#known, 'status'),
      ...Object.entries(expected.headers).flatMap(([name, value]) =>
        this.#compareHeader(name, value, actual.headers[name.toLowerCase()]),
      ),
      ...(isJson
        ? this.#compareHeader('Content-Type', ['application/json'], actual.headers['content-type'])
        : []),
      ...match(expected.body, isJson ? parse(actual.text) : actual.text, this.#known, 'body'),
    ];
    assert.equal(differences.join('\n'), '', `${actual.status} ${actual.text}`);
  }

  #compareHeader(name: string, expected: string | null | string[], value: string | string[] | undefined) {
    const actual = value === undefined ? null : String(value);
    if (!Array.isArray(expected)) return match(expected, actual, this.#known, `header ${name}`);
    const listed = (actual ?? '').toLowerCase().split(/\s*[,;]\s*/);
    return expected
      .filter((each) => !listed.includes(each.toLowerCase()))
      .map((each) => `header ${name}: is ${actual}, without ${each}`);
  }

  #recall(name: string): string {
    const value = this.#known.values.get(name);
    assert.ok(typeof value === 'string', `nothing was captured as ${name}`);
    return value;
  }

  #checkClaims({ token, header, claims, lifetime, without = [] }: Claims): void {
    const jwt = this.#recall(token);
    const [actualHeader, actual] = [decodeProtectedHeader(jwt), decodeJwt(jwt)];
    const only = (wanted: object, all: object) =>
      Object.fromEntries(
        Object.keys(wanted).map((key) => [key, (all as Record<string, unknown>)[key] ?? null]),
      );
    const told = JSON.stringify(actual);
    const differences = [
      ...(header ? match(header, only(header, actualHeader), this.#known, 'header') : []),
      ...match(claims, only(claims, actual), this.#known, 'claims'),
      ...without.filter((each) => told.includes(each)).map((each) => `${each} stands in it`),
    ];
    assert.equal(differences.join('\n'), '', told);
    if (lifetime !== undefined) assert.equal(Number(actual.exp) - Number(actual.iat), lifetime);
  }

  async #introspect({ token, as, active, tables, isAdmin, scopes, username }: Introspection): Promise<void> {
    const answer = await this.#server.introspect(this.#recall(token), as);
    if (!active) return assert.deepEqual(answer, { active });
    assert.equal(answer.active, true);
    if (tables) assert.deepEqual(tablesOf(answer), tables);
    if (isAdmin !== undefined) assert.equal(answer.permissions.isAdmin, isAdmin);
    if (scopes) assert.deepEqual(answer.scope?.split(' ') ?? [], scopes);
    if (username !== undefined) assert.equal(answer.username, username);
  }

  async #revoke({ token, as }: NonNullable<Step['revoke']>): Promise<void> {
    const { status } = await this.#server.post('/oauth/revoke', as, { token: this.#recall(token) });
    assert.equal(status, 200);
  }

  async #readMail({ to, captures }: NonNullable<Step['mail']>): Promise<void> {
    const mail = await this.#findMail(to);
    const token = /^Token: (\S+)$/m.exec(mail)?.[1];
    assert.ok(token, mail);
    this.#known.values.set(captures, token);
  }

  /** The newest, which the request for it did not wait for. */
  async #findMail(to: string): Promise<string> {
    const folder = join(this.#server.dataDir, 'mail');
    return until(`there is a mail to ${to}`, async () => {
      const names = await readdir(folder).catch(() => []);
      const name = names
        .filter((each) => each.endsWith('.eml') && !this.#read.has(each))
        .sort()
        .at(-1);
      const mail =
        name === undefined ? '' : (await readFile(join(folder, name), 'utf8')).replaceAll('\r\n', '\n');
      if (name === undefined || !mail.includes(`\nTo: ${to}\n`)) return undefined;
      this.#read.add(name);
      return mail;
    });
  }

  async #disable(username: string): Promise<void> {
    const { changes, storage } = this.#server.server.foundations;
    const shop = await storage.directory.applications.findBy('clientId', 'shop');
    const user = await storage.directory.users.findBy('username', `${shop?.realm}/${username}`);
    assert.ok(user);
    await changes.users.replace({ ...user, enabled: false }, AUTHOR);
  }

  async #changeSettings(wanted: NonNullable<Step['settings']>): Promise<void> {
    const { changes, storage } = this.#server.server.foundations;
    const organization = await storage.directory.organizations.findBy('name', 'acme');
    assert.ok(organization);
    const before: Record<string, object> = { ...organization.faces };
    const faces = Object.entries(wanted).map(([face, settings]) => [face, { ...before[face], ...settings }]);
    await changes.organizations.replace(
      { ...organization, faces: { ...before, ...Object.fromEntries(faces) } },
      AUTHOR,
    );
  }
}

/** Text that is not JSON is compared as text, and differs. */
function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}
