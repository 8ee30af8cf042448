/**
 * A process that marks nodes: forked with the storage, how many nodes there are and the mark, each as JSON. It says that
 * it is ready, marks them when it is told to, a few at once, and ends.
 */
import { once } from 'node:events';
import { openStorage } from '../../src/server/open-storage.ts';

const SIDE_BY_SIDE = 10;
const [storage, count, mark] = process.argv.slice(2).map((argument) => JSON.parse(argument));
const { nodes, close } = await openStorage({ storage, sqliteSync: 'pool' });
process.send?.('ready');
await once(process, 'message');
for (let from = 0; from < count; from += SIDE_BY_SIDE) {
  const some = Array.from({ length: Math.min(SIDE_BY_SIDE, count - from) }, (_, index) => from + index);
  await Promise.all(some.map((index) => nodes.mark(`n${index}`, mark, Date.now() + 60_000)));
}
await close();
process.disconnect();
