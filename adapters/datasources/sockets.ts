/** Sockets to customers' databases: they connect only where it is allowed, and take only so much. */
import { Socket, type SocketConnectOpts } from 'node:net';
import { DatasourceAway, MAX_RECEIVED, type ServerTarget } from '../../src/datasources/connector.ts';
import { defined } from '../../src/storage/defined.ts';

/** Milliseconds between looks at how much came. */
const INTERVAL = 100;

export class GuardedSocket extends Socket {
  readonly #lookup: ServerTarget['lookup'];

  constructor({ lookup }: Pick<ServerTarget, 'lookup'>) {
    super();
    this.#lookup = lookup;
  }

  /** Drivers call it in several forms. */
  override connect(...where: unknown[]): this {
    const [first, host] = where;
    const options =
      typeof first === 'object' && first !== null
        ? first
        : defined({ port: Number(first), host: typeof host === 'string' ? host : undefined });
    this.#limitReceived();
    return super.connect({ ...options, lookup: this.#lookup } as SocketConnectOpts);
  }

  /** Ends the connection of a server that sends without end, so that a login does not wait for it. */
  #limitReceived(): void {
    const watch = setInterval(() => {
      if (this.bytesRead <= MAX_RECEIVED) return;
      this.destroy(new DatasourceAway(`it sent more than ${MAX_RECEIVED} bytes on one connection`));
    }, INTERVAL).unref();
    this.once('close', () => clearInterval(watch));
  }
}
