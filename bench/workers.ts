/**
 * `node bench/workers.ts`: client_credentials ES256 with one worker and with two, over SQLite. On a machine of two cores
 * the load shares them with the servers, so the mark is on the processor time of a request.
 * Flags: `--rounds 5`, `--seconds 3`, `--check` (a missed mark fails).
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { APPLY, clientOf, JWT_RESOURCE } from './directory.ts';
import { type Measured, measure, median } from './load.ts';
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
/** Processor time of a request by two / by one, at most. */
const MARK = 1.15;
/** At once, so that each process has enough of them to write together while the other one writes. */
const CALLERS = 128;

function measureTokens(server: BenchServer): Promise<Measured> {
  const target = {
    url: `${server.url}/oauth/token`,
    ...clientOf('machine'),
    form: { grant_type: 'client_credentials', resource: JWT_RESOURCE },
  };
  return measure(server, target, { seconds, connections: CALLERS });
}

/** One process signs on its own thread, as two do: otherwise one alone would use both cores. */
const start = (workers: number, cores: string): Promise<BenchServer> =>
  startGrantable(APPLY, { GRANTABLE_WORKERS: String(workers), GRANTABLE_SIGNING: 'sync' }, cores);

const one = await start(1, '0');
const two = await start(2, '0,1');
process.once('exit', () => {
  one.kill();
  two.kill();
});
const all: { one: Measured; two: Measured }[] = [];
for (let round = -1; round < rounds; round += 1) {
  const pair = { one: await measureTokens(one), two: await measureTokens(two) };
  // The first round warms up.
  if (round >= 0) all.push(pair);
}
await one.stop();
await two.stop();

console.log(`${availableParallelism()} cores, ${rounds} rounds of ${seconds} s\n`);
console.log('| workers | client_credentials, JWT ES256 | processor time of a request |\n|---|---|---|');
for (const which of ['one', 'two'] as const) {
  const of = (pick: (measured: Measured) => number): number =>
    Math.round(median(all.map((pair) => pick(pair[which]))));
  const rate = `${of(({ perSecond }) => perSecond)}/s, p99 ${of(({ p99 }) => p99)} ms`;
  console.log(`| ${which} | ${rate} | ${of(({ cpu }) => cpu)} µs |`);
}
const rate = median(all.map((pair) => pair.two.perSecond / pair.one.perSecond));
const cost = median(all.map((pair) => pair.two.cpu / pair.one.cpu));
console.log(
  `\nTwo workers answer ${rate.toFixed(2)} times as many requests as one; a request costs ${cost.toFixed(2)} of one's (mark: at most ${MARK}).`,
);
if (values.check && cost > MARK) process.exitCode = 1;
