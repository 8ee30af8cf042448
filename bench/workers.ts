/**
 * `node bench/workers.ts`: client_credentials ES256 with one worker and with two, over SQLite. On a machine of two cores
 * the load shares them with the servers, so what each used is said beside the rates.
 * Flags: `--rounds 3`, `--seconds 3`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { APPLY, clientOf, JWT_RESOURCE } from './directory.ts';
import { type Figures, load, median } from './load.ts';
import { type BenchServer, startGrantable } from './processes.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '3' } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const MARK = 1.6;
/** At once, so that each process has enough of them to write together while the other one writes. */
const CALLERS = 128;

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** `ps` fails when it has nothing to list. */
function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout.split('\n').map(Number).filter(Boolean);
}

/** Seconds of processor time that a process and those it started have used. */
function cpuOf(pid: number): number {
  const pids = [pid, ...childrenOf(pid)];
  return pids.reduce((sum, each) => {
    const fields = readFileSync(`/proc/${each}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS;
  }, 0);
}

interface Measured extends Figures {
  /** Cores used on average. */
  readonly servers: number;
  readonly generator: number;
}

async function measure(server: BenchServer): Promise<Measured> {
  const target = {
    url: `${server.url}/oauth/token`,
    ...clientOf('machine'),
    form: { grant_type: 'client_credentials', resource: JWT_RESOURCE },
  };
  const began = performance.now();
  const own = process.cpuUsage();
  const theirs = cpuOf(server.pid);
  const figures = await load(target, { seconds, connections: CALLERS });
  const lasted = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(own);
  return {
    ...figures,
    servers: (cpuOf(server.pid) - theirs) / lasted,
    generator: (user + system) / 1e6 / lasted,
  };
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
  const pair = { one: await measure(one), two: await measure(two) };
  // The first round warms up.
  if (round >= 0) all.push(pair);
}
await one.stop();
await two.stop();

console.log(`${availableParallelism()} cores, ${rounds} rounds of ${seconds} s\n`);
console.log(
  '| workers | client_credentials, JWT ES256 | cores of the servers | cores of the load |\n|---|---|---|---|',
);
for (const which of ['one', 'two'] as const) {
  const of = (pick: (measured: Measured) => number): number => median(all.map((pair) => pick(pair[which])));
  const rate = `${Math.round(of(({ perSecond }) => perSecond))}/s, p99 ${Math.round(of(({ p99 }) => p99))} ms`;
  const cores = [of(({ servers }) => servers), of(({ generator }) => generator)].map((each) =>
    each.toFixed(2),
  );
  console.log(`| ${which} | ${rate} | ${cores.join(' | ')} |`);
}
const ratio = median(all.map((pair) => pair.two.perSecond / pair.one.perSecond));
const perCore = median(
  all.map((pair) => pair.two.perSecond / pair.two.servers / (pair.one.perSecond / pair.one.servers)),
);
console.log(
  `\nTwo workers give ${ratio.toFixed(2)} of one (mark ${MARK}), and for each core that they have ${perCore.toFixed(2)} of it.`,
);
