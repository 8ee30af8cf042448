/** A server in a process of its own, which says when an object was made and then never answers. */
import { during } from './probes.ts';
import { startAdmin } from './support.ts';

const shared = JSON.parse(process.env.SHARED ?? '');
during.creation = () => {
  process.send?.('made');
  return new Promise(() => undefined);
};
const { port } = await startAdmin({ shared });
process.send?.(port);
