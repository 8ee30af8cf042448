/** Sends the same random requests to both servers and gathers what differs. */
import { Agent, type IncomingHttpHeaders, request as sendRequest } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { DumpRecord } from '../../../src/storage/dump.ts';
import { OWN_TEXTS } from '../../support/engine-endpoint.ts';
import type { TestServer } from '../../support/server.ts';
import { compare, type Difference, Pairs } from './compare.ts';
import { Random } from './random.ts';
import { guesses, nextRequest, type Sent } from './requests.ts';
import { type Source, TOKEN_PATH } from './source.ts';
import { type Against, type Held, type LogLine, openWorld, type Text, type World } from './world.ts';

/** Requests between two blocks of guesses, two new connections, two switches of an application. */
const GUESSES_EVERY = 400;
const FIRST_GUESSES = 130;
const CONNECTION_EVERY = 90;
const FLAP_EVERY = 70;
/** Kinds of differences after which it stops. */
const MOST_KINDS = 40;
/** Tokens that are kept to be presented. */
const MOST_HELD = 600;

/** A kind of difference. */
export interface Finding {
  readonly kind: string;
  /** The first request that showed it, and what came of that. */
  readonly example: string;
  times: number;
}

export interface Outcome {
  readonly findings: readonly Finding[];
  /** How many answers of each kind there were, such as `/oauth/token 400 invalid_scope`. */
  readonly seen: ReadonlyMap<string, number>;
  /** Pairs of answers that tell of different faults, each rightly. */
  readonly excused: number;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

const agent = new Agent({ keepAlive: true });
const SIDES = ['shipped', 'engine'] as const;
/** Of the connection, or always different. */
const OTHER_HEADERS = new Set(['date', 'connection', 'keep-alive']);

const TELLING =
  /^(?:content-(?:type|length|encoding)|www-|retry|vary|allow|access-control|accept|cache|dpop|location)/;

const render = (part: Text, side: 0 | 1): string => (typeof part === 'string' ? part : part.of[side]);

async function send(server: TestServer, sent: Sent, requestId: string, side: 0 | 1): Promise<Answer> {
  const { method, path, headers, body } = sent;
  const content =
    body === undefined || Buffer.isBuffer(body)
      ? body
      : Buffer.from((body as readonly Text[]).map((part) => render(part, side)).join(''));
  const request = sendRequest({
    agent,
    host: '127.0.0.1',
    port: new URL(server.issuer).port,
    method,
    path,
    setHost: false,
    headers: [
      ...headers.flatMap(([name, value]) => [name, render(value, side)]),
      'X-Request-Id',
      requestId,
      ...(content ? ['Content-Length', String(content.length)] : []),
    ],
  });
  return new Promise((resolve, reject) => {
    request.on('error', reject).on('response', async (response) => {
      const text = (await buffer(response)).toString();
      const rest = Object.entries(response.headers).filter(([name]) => !OTHER_HEADERS.has(name));
      resolve({ status: response.statusCode ?? 0, headers: Object.fromEntries(rest), body: parse(text) });
    });
    request.end(content);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The answers to one request, and what they left behind. */
interface Trace extends Answer {
  readonly audit: unknown;
  readonly line: unknown;
}

/** Rows of the audit that were not there before, but those that come by the clock. */
function createAuditReader(server: TestServer): () => Promise<unknown[]> {
  const { audit } = server.server.foundations.storage;
  let last: string | undefined;
  return async () => {
    const { entries } = await audit.page({ limit: 8 });
    const known = entries.findIndex(({ cursor }) => cursor === last);
    last = entries[0]?.cursor ?? last;
    return entries
      .slice(0, known === -1 ? undefined : known)
      .filter(({ event }) => event !== 'request.refusals_left_out')
      .map(({ cursor: _, ...entry }) => entry);
  };
}

/** Without what says in words what is wrong with a parameter. */
function withoutOwnText(trace: Trace): Trace {
  if (!OWN_TEXTS.includes(codeOf(trace))) return trace;
  const { headers, body, audit, line } = trace as any;
  return {
    ...trace,
    headers: { ...headers, 'content-length': '' },
    body: { ...body, error_description: '' },
    audit: audit.map((row: object) => ({ ...row, reason: '' })),
    line: { ...line, reason: '' },
  };
}

const codeOf = ({ body }: Answer): string =>
  typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : '';

const textOf = ({ body }: Answer): unknown => (body as { error_description?: unknown }).error_description;

/** What a request may ask for is wrong in two ways, and each side looks at another first. */
const OF_RIGHTS = ['invalid_authorization_details', 'invalid_scope', 'invalid_target'];

function mayDiffer(one: Trace, other: Trace): boolean {
  const [ours, theirs] = [codeOf(one), codeOf(other)];
  // Several resources in one request, and details of another one, are both a wrong target.
  if (ours === theirs) return ours === 'invalid_target' && textOf(one) !== textOf(other);
  return OF_RIGHTS.includes(ours) && OF_RIGHTS.includes(theirs);
}

function describe(sent: Sent): string {
  const { method, path, headers, body } = sent;
  const show = (part: Text) => (typeof part === 'string' ? part : `{${part.name}: ${cut(part.of[0], 60)}}`);
  const text =
    body === undefined
      ? '(no body)'
      : Buffer.isBuffer(body)
        ? `(${body.length} bytes)`
        : body.map(show).join('');
  return [
    `${method} ${path}`,
    ...headers.map(([name, value]) => `${name}: ${show(value)}`),
    cut(text, 3_000),
  ].join('\n');
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}… (${text.length} characters)` : text;
}

const short = (value: unknown): string => cut(JSON.stringify(value) ?? 'undefined', 300);

const loginOf = (refreshToken: string): string => refreshToken.slice(4, 26);

/** Of a form as `encode` writes it. */
function grantOf({ body }: Sent): string {
  const parts = Array.isArray(body) ? (body as readonly Text[]) : [];
  return decodeURIComponent(String(parts[parts.indexOf('grant_type') + 2]));
}

class Run {
  readonly #world: World;
  readonly #seed: number;
  readonly #against: Against;
  readonly #pairs = new Pairs();
  readonly #findings = new Map<string, Finding>();
  readonly #seen = new Map<string, number>();
  readonly #held: Held[];
  readonly #source: Source;
  readonly #audits: (() => Promise<unknown[]>)[];
  #excused = 0;

  constructor(world: World, seed: number, against: Against) {
    this.#against = against;
    this.#world = world;
    this.#seed = seed;
    this.#held = [...world.held];
    this.#source = { random: new Random(seed), world, held: this.#held, assertions: [] };
    this.#audits = [world.shipped, world.engine].map(createAuditReader);
  }

  async make(requests: number): Promise<Outcome> {
    await Promise.all(this.#audits.map((read) => read()));
    const queue: Sent[] = [];
    for (let index = 0; index < requests && this.#findings.size < MOST_KINDS; index += 1) {
      if (index % GUESSES_EVERY === FIRST_GUESSES) queue.push(...guesses(this.#source));
      if (index % CONNECTION_EVERY === CONNECTION_EVERY - 1)
        this.#held.push(await this.#world.connect(`connection at ${index}`));
      if (index % FLAP_EVERY === FLAP_EVERY - 1) await this.#world.flap();
      await this.#ask(index, queue.shift() ?? nextRequest(this.#source));
    }
    await this.#compareRemains();
    return { findings: [...this.#findings.values()], seen: this.#seen, excused: this.#excused };
  }

  async #ask(index: number, sent: Sent): Promise<void> {
    const { shipped, engine } = this.#world;
    this.#world.advance(sent.pause);
    const requestId = `r${this.#seed}-${index}`;
    const answers = await Promise.all([send(shipped, sent, requestId, 0), send(engine, sent, requestId, 1)]);
    const lines = await this.#world.takeLines(requestId);
    const audits = await Promise.all(this.#audits.map((read) => read()));
    const [one, other] = answers.map((answer, side): Trace => {
      const { time: _, ms: __, ...line } = lines[side] ?? {};
      const trace = { ...answer, audit: audits[side], line };
      return this.#against === 'engine' ? withoutOwnText(trace) : trace;
    }) as [Trace, Trace];
    const path = sent.path.split('?')[0] ?? '';
    this.#count(`${path} ${other.status} ${codeOf(other)}`.trim());
    if (other.status === 200 && (other.body as any)?.active === true) this.#count(`${path} active`);
    if (other.status === 200 && path === TOKEN_PATH) this.#count(`${path} 200 ${grantOf(sent)}`);
    const reason = (other.line as LogLine).reason;
    if (reason !== undefined) this.#count(`reason: ${reason}`);
    const isExcused = this.#against === 'engine' && mayDiffer(one, other);
    if (isExcused) this.#excused += 1;
    for (const difference of isExcused ? [] : compare(one, other, this.#pairs, '')) {
      this.#report(path, difference, () => this.#describe(index, sent, one, other));
    }
    this.#keep(index, sent, one, other);
  }

  #count(what: string): void {
    this.#seen.set(what, (this.#seen.get(what) ?? 0) + 1);
  }

  #report(path: string, { where, shipped, engine }: Difference, describeAll: () => string): void {
    const kind = `${path} ${where}: shipped ${short(shipped)}, engine ${short(engine)}`;
    // What is different each time would make a kind of each.
    const key = kind.replaceAll(/[\w-]{20,}|\d+/g, '…');
    const known = this.#findings.get(key);
    if (known) known.times += 1;
    else this.#findings.set(key, { kind, example: describeAll(), times: 1 });
  }

  #describe(index: number, sent: Sent, ...traces: Trace[]): string {
    // All answers have the same headers for browsers.
    const shown = traces.map(({ status, headers, body, audit, line }, side) => {
      const told = Object.entries(headers).filter(([name]) => TELLING.test(name));
      return `${SIDES[side]}: ${JSON.stringify({ status, headers: Object.fromEntries(told), body, audit, line })}`;
    });
    return [`seed ${this.#seed}, request ${index}`, describe(sent), ...shown].join('\n');
  }

  /** Tokens that both gave. */
  #keep(index: number, { client = '' }: Sent, { body: one }: Trace, { body: another }: Trace): void {
    for (const member of ['access_token', 'refresh_token', 'id_token'] as const) {
      const of = [one, another].map((body) => (body as any)?.[member]);
      if (!of.every((value) => typeof value === 'string')) continue;
      const [value, other] = of as [string, string];
      // A refresh token carries the id of its login, which no answer tells.
      if (value.startsWith('grt_')) this.#pairs.pair(...([value, other].map(loginOf) as [string, string]));
      const access = value.startsWith('eyJ') ? 'jwt' : 'opaque';
      const kind = member === 'access_token' ? access : member === 'refresh_token' ? 'refresh' : 'id token';
      this.#held.push({ kind, client, value: { name: `${member} of ${index}`, of: of as [string, string] } });
    }
    // Those of the beginning stay.
    const { length } = this.#world.held;
    if (this.#held.length > MOST_HELD) this.#held.splice(length, this.#held.length - MOST_HELD);
  }

  /** What is left: counts of the metrics, and in the stores rows of tokens and logins, marks of nodes, counts of throttles. */
  async #compareRemains(): Promise<void> {
    const [counted, countedByEngine] = await Promise.all(
      [this.#world.shipped, this.#world.engine].map(readCounts),
    );
    for (const difference of compare(counted, countedByEngine, this.#pairs, ''))
      this.#report('metrics', difference, () => `seed ${this.#seed}`);
    const [shipped, engine] = await Promise.all(
      [this.#world.shipped, this.#world.engine].map((server) => readStore(server, this.#world.now())),
    );
    for (const [kind, rows] of shipped ?? []) {
      const others = engine?.get(kind) ?? new Map();
      const left = new Set(others.keys());
      for (const [id, row] of rows) {
        const other = this.#pairs.translate(id);
        left.delete(other);
        for (const difference of compare(row, others.get(other), this.#pairs, ''))
          this.#report(
            `store: ${kind}`,
            difference,
            () => `seed ${this.#seed}, ${kind} ${id}: ${short(row)}`,
          );
      }
      for (const id of left)
        this.#report(`store: ${kind}`, { where: '', shipped: undefined, engine: others.get(id) }, () =>
          String(id),
        );
    }
  }
}

/** Of requests and tokens, in the text format of Prometheus. */
async function readCounts({ issuer }: TestServer): Promise<string> {
  const { port } = new URL(issuer);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => /^grantable_\w+_total/.test(line))
    .sort()
    .join('\n');
}

/** Rows by their kinds and ids, without what has expired: the two sweep at different times. */
async function readStore(server: TestServer, now: number): Promise<Map<string, Map<string, unknown>>> {
  const rows = new Map<string, Map<string, unknown>>();
  const keep = (kind: string, id: string, row: unknown, expiresAt: number) => {
    if (expiresAt <= now) return;
    let kinds = rows.get(kind);
    if (!kinds) {
      kinds = new Map();
      rows.set(kind, kinds);
    }
    kinds.set(id, row);
  };
  for await (const record of server.server.foundations.storage.dump.export() as AsyncIterable<DumpRecord>) {
    if (record.kind === 'tokens') {
      // Both gave it the same id of its request.
      keep('tokens', record.row.requestId ?? record.row.id, record.row, record.row.expiresAt);
    } else if (record.kind === 'logins') {
      const { current: _, previous: __, ...row } = record.row;
      keep('logins', row.id, row, row.expiresAt);
    } else if (record.kind === 'nodes') {
      const { change: _, ...row } = record.row;
      keep('nodes', row.id, row, row.expiresAt);
    } else if (record.kind === 'counters') {
      keep('counters', record.key, record, record.expiresAt);
    }
  }
  return rows;
}

export async function runDifferential(
  seed: number,
  requests: number,
  against: Against = 'engine',
): Promise<Outcome> {
  await using world = await openWorld(against);
  return await new Run(world, seed, against).make(requests);
}
