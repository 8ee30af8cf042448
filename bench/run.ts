/**
 * `npm run bench`: this server, durable and logging as shipped, against the bare engine over a Map, in one run and
 * interleaved. What counts is the processor time that a request costs the server; rates move with the machine.
 * Flags: `--rounds 5`, `--seconds 3`, `--check` (missed marks fail), `--storage mongodb` (a column for it beside SQLite's),
 * `--descendants 100000` (of the connection that is ended).
 */
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { compare } from './compare.ts';
import { type BenchConnections, openConnections } from './connections.ts';
import { APPLY } from './directory.ts';
import { measureEnds } from './exchange.ts';
import { median } from './load.ts';
import { MEASURED_COST, measureLogins } from './logins.ts';
import { startBeside } from './mongodb.ts';
import { type BenchServer, pinLoad, startBareEngine, startFloor, startGrantable } from './processes.ts';
import { type Line, print } from './report.ts';
import { refreshTokensFor, scenarios } from './scenarios.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    check: { type: 'boolean', default: false },
    storage: { type: 'string' },
    descendants: { type: 'string', default: '100000' },
  },
});
const length = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
const descendants = Number(values.descendants);
/** What the many are held against. */
const FEW_DESCENDANTS = 100;
const SHIPPED_COST = 12;
const IDLE_MEMORY = 120;
const READY_MS = 800;

async function compareEnds(server: BenchServer, connections: BenchConnections): Promise<Line> {
  const { few, many } = await measureEnds(server, connections, { few: FEW_DESCENDANTS, many: descendants });
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

const pinned = pinLoad();
console.log(
  `Node ${process.version}, ${cpus()[0]?.model} x ${availableParallelism()}, servers ${pinned ? 'pinned to one core, load on another' : 'not pinned'}, ${length.rounds} rounds of ${length.seconds} s.`,
);
// Signing in the directory of a login at the measured cost; the mark is a ratio, and `docs` names the shipped cost.
const settings = {
  GRANTABLE_BCRYPT_COST: String(MEASURED_COST),
  // One connection stands for thousands.
  GRANTABLE_EXCHANGE_LIMIT: '9999999/1s',
};
const refreshTokens = refreshTokensFor(length.rounds);
const grantable = await startGrantable(APPLY, settings);
const idle = grantable.memory();
const bare = await startBareEngine(refreshTokens);
const floor = await startFloor();
process.once('exit', () => {
  for (const server of [bare, floor, grantable]) server.kill();
});
const connections = await openConnections(grantable);
const other = values.storage === 'mongodb' ? await startBeside(settings) : undefined;
const beside = other && {
  ...other,
  grantable: other.server,
  bare,
  floor,
  refreshTokens,
};
const lines = await compare(
  await scenarios({ grantable, bare, floor, connections, refreshTokens }),
  beside ? (await scenarios(beside)).map(({ ours }) => ours) : [],
  length,
);
await other?.stop();
const underLoad = grantable.memory();
await Promise.all([bare.stop(), floor.stop()]);
lines.push(await compareEnds(grantable, connections));
await connections.close();
lines.push(...(await measureLogins(grantable, length)));
await grantable.stop();
lines.push({
  what: 'resident memory idle (under load)',
  ours: `${Math.round(idle)} MB (${Math.round(underLoad)} MB)`,
  against: '',
  mark: `under ${IDLE_MEMORY} MB idle`,
  reached: idle < IDLE_MEMORY,
});
lines.push({
  what: 'from start to ready, with a store',
  ours: `${Math.round(grantable.readyAfter)} ms`,
  against: '',
  mark: `under ${READY_MS} ms`,
  reached: grantable.readyAfter < READY_MS,
});
print(lines, other?.description);
if (other?.note) console.log(`\n${other.note}`);
console.log(`\nThe shipped bcrypt cost is ${SHIPPED_COST}; each step doubles the time of a login.`);
if (values.check && lines.some(({ reached }) => !reached)) process.exitCode = 1;
