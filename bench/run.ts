/**
 * `npm run bench`: this server, durable as shipped, against the bare engine over a Map, in one run and interleaved.
 * Ratios are medians of the rounds' ratios; absolute figures move with the machine.
 * Flags: `--rounds 5`, `--seconds 3`, `--check` (missed marks fail), `--storage mongodb` (a column for it beside SQLite's),
 * `--descendants 100000` (of the connection that is ended).
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import bcrypt from 'bcrypt';
import { type BenchConnections, openConnections } from './connections.ts';
import { APPLY, clientOf, JWT_RESOURCE, OPAQUE_RESOURCE, PASSWORD, USERS } from './directory.ts';
import { descend, exchanging, measureEnds } from './exchange.ts';
import { ask, CONNECTIONS, type Figures, load, median, type Target } from './load.ts';
import { startBeside } from './mongodb.ts';
import { type BenchServer, pinLoad, startBareEngine, startGrantable } from './processes.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    check: { type: 'boolean', default: false },
    storage: { type: 'string' },
    descendants: { type: 'string', default: '100000' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const descendants = Number(values.descendants);
/** What the many are held against. */
const FEW_DESCENDANTS = 100;

/** The shipped default. */
const BCRYPT_COST = 12;
/** Logins at the default cost would leave too few of them in a round to count. */
const MEASURED_COST = 10;

interface Scenario {
  readonly name: string;
  readonly ours: Target;
  /** The bare engine's, unless the name says otherwise. */
  readonly against: Target;
  /** Ours / against, at least. */
  readonly mark: number;
}

/** A round that ends leaves the requests under way without an answer, and with it without a next token. */
const REFRESH_TOKENS = CONNECTIONS * (rounds + 2);

/** Each token is used once; its answer brings the next. */
function refreshing(target: Omit<Target, 'form'>, tokens: string[]): Target {
  return {
    ...target,
    form: () => ({ grant_type: 'refresh_token', refresh_token: tokens.pop() ?? '' }),
    onAnswer: (body) => tokens.push(JSON.parse(body).refresh_token),
  };
}

/** One person after the other: nobody has so many logins under way that they look like guessing. */
function loginForms(): () => Record<string, string> {
  let next = 0;
  return () => ({ grant_type: 'password', username: `user${next++ % USERS}`, password: PASSWORD });
}

async function scenarios(
  grantable: BenchServer,
  bare: BenchServer,
  connections: BenchConnections,
): Promise<Scenario[]> {
  const ours = (path: string, client: string) => ({ url: grantable.url + path, ...clientOf(client) });
  const { clientId, clientSecret, refreshTokens } = bare.seed;
  const theirs = (path: string) => ({ url: bare.url + path, clientId, clientSecret });
  const cc = { grant_type: 'client_credentials' };
  const jwt: Target = { ...ours('/oauth/token', 'machine'), form: { ...cc, resource: JWT_RESOURCE } };
  const opaque: Target = { ...ours('/oauth/token', 'machine'), form: { ...cc, resource: OPAQUE_RESOURCE } };
  const bareJwt: Target = { ...theirs('/token'), form: { ...cc, resource: 'urn:jwt' } };
  const bareOpaque: Target = { ...theirs('/token'), form: { ...cc, resource: 'urn:opaque' } };
  const introspect = (token: string | undefined): Target => ({
    ...ours('/oauth/introspect', 'api'),
    form: { token: token ?? '' },
  });
  const bareIntrospection: Target = {
    ...theirs('/token/introspection'),
    form: { token: (await ask(bareOpaque)).access_token ?? '' },
  };
  const logins: string[] = [];
  const logIn = loginForms();
  while (logins.length < REFRESH_TOKENS) {
    const answer = await ask({ ...ours('/oauth/token', 'login'), form: logIn });
    logins.push(answer.refresh_token ?? '');
  }
  const connection = await connections.create('site');
  const rootIntrospection = introspect((await ask(jwt)).access_token);
  return [
    { name: 'client_credentials, JWT ES256', ours: jwt, against: bareJwt, mark: 1 },
    { name: 'client_credentials, opaque', ours: opaque, against: bareOpaque, mark: 0.8 },
    {
      name: 'introspection, opaque',
      ours: introspect((await ask(opaque)).access_token),
      against: bareIntrospection,
      mark: 0.9,
    },
    {
      name: 'introspection, JWT (bare: opaque)',
      ours: rootIntrospection,
      against: bareIntrospection,
      mark: 0.8,
    },
    {
      name: 'exchange, connection to JWT ES256 (bare: client_credentials)',
      ours: exchanging(grantable, connection),
      against: bareJwt,
      mark: 0.8,
    },
    {
      name: 'introspection, JWT of depth 3 (against a root token)',
      ours: introspect(await descend(grantable, connection, 3)),
      against: rootIntrospection,
      mark: 0.85,
    },
    {
      name: 'refresh_token, rotating',
      ours: refreshing(ours('/oauth/token', 'login'), logins),
      against: refreshing(theirs('/token'), refreshTokens),
      mark: 0.7,
    },
  ];
}

interface Line {
  readonly what: string;
  readonly ours: string;
  /** Over the other store. */
  readonly beside?: string;
  readonly against: string;
  readonly ratio: number | undefined;
  readonly mark: string;
  readonly reached: boolean;
}

const perSecond = (figures: readonly Figures[]): string =>
  `${Math.round(median(figures.map((each) => each.perSecond)))}/s, p99 ${Math.round(median(figures.map((each) => each.p99)))} ms`;

async function compare(all: readonly Scenario[], beside: readonly Scenario[]): Promise<Line[]> {
  const figures = all.map(() => ({
    ours: [] as Figures[],
    against: [] as Figures[],
    beside: [] as Figures[],
  }));
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, scenario] of all.entries()) {
      const against = await load(scenario.against, { seconds });
      const ours = await load(scenario.ours, { seconds });
      const other = beside[index] && (await load(beside[index].ours, { seconds }));
      // The first round warms up.
      if (round < 0) continue;
      figures[index]?.against.push(against);
      figures[index]?.ours.push(ours);
      if (other) figures[index]?.beside.push(other);
    }
  }
  return all.map(({ name, mark }, index) => {
    const { ours, against, beside: others } = figures[index] ?? { ours: [], against: [], beside: [] };
    const ratio = median(
      ours.map((each, round) => each.perSecond / (against[round]?.perSecond ?? Number.NaN)),
    );
    return {
      what: name,
      ours: perSecond(ours),
      ...(others.length > 0 && { beside: perSecond(others) }),
      against: perSecond(against),
      ratio,
      mark: `at least ${mark}`,
      reached: ratio >= mark,
    };
  });
}

/** Compares per second that bcrypt alone makes on the server's core, as many at once as the server runs. */
async function rawBcrypt(cost: number): Promise<number> {
  const hash = await bcrypt.hash(PASSWORD, cost);
  const ends = performance.now() + seconds * 1000;
  let compared = 0;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: 2 }, async () => {
      while (performance.now() < ends) {
        await bcrypt.compare(PASSWORD, hash);
        compared += 1;
      }
    }),
  );
  return compared / ((performance.now() - began) / 1000);
}

async function measureLogins(grantable: BenchServer): Promise<Line[]> {
  const login: Target = {
    url: `${grantable.url}/oauth/token`,
    ...clientOf('login'),
    form: loginForms(),
  };
  const token = await ask({
    url: `${grantable.url}/oauth/token`,
    ...clientOf('machine'),
    form: { grant_type: 'client_credentials', resource: OPAQUE_RESOURCE },
  });
  const introspection: Target = {
    url: `${grantable.url}/oauth/introspect`,
    ...clientOf('api'),
    form: { token: token.access_token ?? '' },
  };
  const ratios: number[] = [];
  const logins: Figures[] = [];
  const raws: number[] = [];
  const alone: Figures[] = [];
  const beside: Figures[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const raw = await rawBcrypt(MEASURED_COST);
    const measured = await load(login, { seconds, connections: 8 });
    raws.push(raw);
    logins.push(measured);
    ratios.push(measured.perSecond / raw);
    alone.push(await load(introspection, { seconds, connections: 8 }));
    const [, loaded] = await Promise.all([
      load(login, { seconds: seconds + 1, connections: 16 }),
      load(introspection, { seconds, connections: 8 }),
    ]);
    beside.push(loaded);
  }
  const p99 = (figures: readonly Figures[]) => median(figures.map((each) => each.p99));
  const growth = p99(beside) / Math.max(1, p99(alone));
  return [
    {
      what: `password logins, bcrypt cost ${MEASURED_COST} (against raw bcrypt)`,
      ours: perSecond(logins),
      against: `${median(raws).toFixed(1)}/s`,
      ratio: median(ratios),
      mark: 'at least 0.9',
      reached: median(ratios) >= 0.9,
    },
    {
      what: 'introspection p99 while logins saturate the hash queue (against alone)',
      ours: `${Math.round(p99(beside))} ms`,
      against: `${Math.round(p99(alone))} ms`,
      ratio: growth,
      mark: 'at most 2',
      reached: growth <= 2,
    },
  ];
}

async function compareEnds(grantable: BenchServer, connections: BenchConnections): Promise<Line> {
  const { few, many } = await measureEnds(grantable, connections, {
    few: FEW_DESCENDANTS,
    many: descendants,
  });
  const describe = (all: readonly number[]): string =>
    `${median(all).toFixed(1)} ms, the first ${all[0]?.toFixed(1)} ms`;
  const ratio = median(many) / median(few);
  return {
    what: `ending a connection with ${descendants} descendants (against ${FEW_DESCENDANTS})`,
    ours: describe(many),
    against: describe(few),
    ratio,
    mark: 'at most 1.5',
    reached: ratio <= 1.5,
  };
}

/** @param other the store of the further column, if there is one */
function print(lines: readonly Line[], other: string | undefined): void {
  const row = (cells: readonly string[]): void => console.log(`| ${cells.join(' | ')} |`);
  const column = (cell: string): string[] => (other === undefined ? [] : [cell]);
  const head = ['what', 'Grantable', ...column(`on ${other}`), 'against', 'ratio', 'mark', 'reached'];
  console.log();
  row(head);
  row(head.map(() => '---'));
  for (const { what, ours, beside, against, ratio, mark, reached } of lines) {
    row([
      what,
      ours,
      ...column(beside ?? ''),
      against,
      ratio?.toFixed(2) ?? '',
      mark,
      reached ? 'yes' : 'no',
    ]);
  }
}

const pinned = pinLoad();
console.log(
  `Node ${process.version}, ${cpus()[0]?.model} x ${availableParallelism()}, servers ${pinned ? 'pinned to one core, load on another' : 'not pinned'}, ${rounds} rounds of ${seconds} s.`,
);
// Signing in the directory of a login at the measured cost; the mark is a ratio, and `docs` names the shipped cost.
const settings = {
  GRANTABLE_BCRYPT_COST: String(MEASURED_COST),
  // One connection stands for thousands.
  GRANTABLE_EXCHANGE_LIMIT: '9999999/1s',
};
const grantable = await startGrantable(APPLY, settings);
const idle = grantable.memory();
const bare = await startBareEngine(REFRESH_TOKENS);
process.once('exit', () => {
  bare.kill();
  grantable.kill();
});
const connections = await openConnections(grantable);
const other = values.storage === 'mongodb' ? await startBeside(settings) : undefined;
const lines = await compare(
  await scenarios(grantable, bare, connections),
  other ? await scenarios(other.server, bare, other.connections) : [],
);
await other?.stop();
const underLoad = grantable.memory();
await bare.stop();
lines.push(await compareEnds(grantable, connections));
await connections.close();
lines.push(...(await measureLogins(grantable)));
await grantable.stop();
lines.push({
  what: 'resident memory idle (under load)',
  ours: `${Math.round(idle)} MB (${Math.round(underLoad)} MB)`,
  against: '',
  ratio: undefined,
  mark: 'under 150 MB idle',
  reached: idle < 150,
});
lines.push({
  what: 'from start to ready',
  ours: `${Math.round(grantable.readyAfter)} ms`,
  against: '',
  ratio: undefined,
  mark: 'under 2000 ms',
  reached: grantable.readyAfter < 2_000,
});
print(lines, other?.description);
if (other?.note) console.log(`\n${other.note}`);
console.log(`\nThe shipped bcrypt cost is ${BCRYPT_COST}; each step doubles the time of a login.`);
if (values.check && lines.some(({ reached }) => !reached)) process.exitCode = 1;
