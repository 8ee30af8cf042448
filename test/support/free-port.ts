/** Ports for servers that must know theirs before they start. */
import { createServer } from 'node:net';

/** Below those that systems give to clients and to servers without a port of their own: none of these takes it meanwhile. */
const PORTS = { first: 10_000, amount: 20_000 };

export async function freePort(): Promise<number> {
  const port = PORTS.first + Math.floor(Math.random() * PORTS.amount);
  const probe = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (!isFree) return freePort();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
