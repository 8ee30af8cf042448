/**
 * `node bench/workers.ts`: client_credentials ES256 with one worker and with two, over SQLite, and where the difference
 * comes from. The load runs on the two cores of the servers, and a request costs more while both cores are busy. So there
 * are two further measurements: one worker with half of the connections, as each of two has, and two servers that share
 * the machine but no store. What two workers cost beyond those two servers is the price of one store.
 * Flags: `--rounds 5`, `--seconds 3`, `--check` (a missed mark fails).
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { APPLY, clientOf, JWT_RESOURCE } from './directory.ts';
import { load, type Measured, measure, median, type Target } from './load.ts';
import { type BenchServer, startGrantable } from './processes.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    check: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
/** Processor time of a request by two workers / by one, at most. */
const MARK = 1.15;
/** At once, so that each process has enough of them to write together while the other one writes. */
const CALLERS = 128;
/** Requests to each process before the first round: V8 compiles for about 40,000 of them. */
const WARM_UP = 60_000;

const targetOf = ({ url }: BenchServer): Target => ({
  url: `${url}/oauth/token`,
  ...clientOf('machine'),
  form: { grant_type: 'client_credentials', resource: JWT_RESOURCE },
});

/** One process signs on its own thread, as two do: otherwise one alone would use both cores. */
const start = (workers: number, cores: string): Promise<BenchServer> =>
  startGrantable(APPLY, { GRANTABLE_WORKERS: String(workers), GRANTABLE_SIGNING: 'sync' }, cores);

const BOTH_CORES = '0,1';
const one = await start(1, '0');
// Not a core for each: threads that move between cores cost something, and those of two workers move.
const apart = [await start(1, BOTH_CORES), await start(1, BOTH_CORES)];
const two = await start(2, BOTH_CORES);
const all = [one, ...apart, two];
process.once('exit', () => {
  for (const server of all) server.kill();
});

interface Way {
  readonly what: string;
  readonly servers: readonly BenchServer[];
  /** Of all servers together. */
  readonly callers: number;
}

const ways = {
  one: { what: 'one worker', servers: [one], callers: CALLERS },
  half: { what: 'one worker, half of the connections', servers: [one], callers: CALLERS / 2 },
  apart: { what: 'two servers, each with its own store', servers: apart, callers: CALLERS },
  two: { what: 'two workers on one store', servers: [two], callers: CALLERS },
} satisfies Record<string, Way>;
type Name = keyof typeof ways;
const names = Object.keys(ways) as Name[];

/** All servers of one way at the same time. */
async function measureWay({ servers, callers }: Way): Promise<Measured> {
  const connections = callers / servers.length;
  const each = await Promise.all(
    servers.map((server) => measure(server, targetOf(server), { seconds, connections })),
  );
  const requests = each.reduce((sum, measured) => sum + measured.requests, 0);
  return {
    requests,
    perSecond: each.reduce((sum, { perSecond }) => sum + perSecond, 0),
    p99: Math.max(...each.map(({ p99 }) => p99)),
    cpu: each.reduce((sum, measured) => sum + measured.cpu * measured.requests, 0) / requests,
  };
}

for (const server of [one, ...apart]) {
  await load(targetOf(server), { amount: WARM_UP, connections: CALLERS });
}
// The system hands connections to workers as it likes, so both have enough requests only after several loads.
for (let part = 0; part < 4; part += 1) {
  await load(targetOf(two), { amount: WARM_UP, connections: CALLERS });
}

const figures: Record<Name, Measured>[] = [];
for (let round = 0; round < rounds; round += 1) {
  const measured: Partial<Record<Name, Measured>> = {};
  // In turned order too, because what comes late in a round may meet a warmer machine.
  for (const name of round % 2 === 0 ? names : names.toReversed())
    measured[name] = await measureWay(ways[name]);
  figures.push(measured as Record<Name, Measured>);
}
for (const server of all) await server.stop();

console.log(`${availableParallelism()} cores, ${rounds} rounds of ${seconds} s\n`);
console.log('| client_credentials, JWT ES256 | rate | processor time of a request |\n|---|---|---|');
for (const name of names) {
  const of = (pick: (measured: Measured) => number): number =>
    Math.round(median(figures.map((round) => pick(round[name]))));
  const rate = `${of(({ perSecond }) => perSecond)}/s, p99 ${of(({ p99 }) => p99)} ms`;
  console.log(`| ${ways[name].what} | ${rate} | ${of(({ cpu }) => cpu)} µs |`);
}
const ratio = (over: Name, under: Name, pick: (measured: Measured) => number): number =>
  median(figures.map((round) => pick(round[over]) / pick(round[under])));
const cost = (over: Name, under: Name): number => ratio(over, under, ({ cpu }) => cpu);
const second = cost('two', 'one');
console.log(`
Two workers answer ${ratio('two', 'one', ({ perSecond }) => perSecond).toFixed(2)} times as many requests as one.
A request to two workers costs ${second.toFixed(2)} of one's (mark: at most ${MARK}):
- fewer requests at once in each process: ${cost('half', 'one').toFixed(2)}
- both cores busy with servers and load: ${cost('apart', 'half').toFixed(2)}
- one store for both: ${cost('two', 'apart').toFixed(2)}`);
if (values.check && second > MARK) process.exitCode = 1;
