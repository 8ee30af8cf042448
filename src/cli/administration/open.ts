/** Opens the way to what is administered: the configured store, or a server. */
import { operations } from '../../admin/operations/index.ts';
import { createLogger } from '../../http/log.ts';
import { createOperationDeps } from '../../server/operation-deps.ts';
import { createSelfAdministration } from '../../server/self-administration.ts';
import type { CommandIo } from '../command.ts';
import { openStore, operatorOf } from '../open.ts';
import { createServerTransport } from './server-transport.ts';
import { createStoreTransport } from './store-transport.ts';
import { type Administration, createAdministration, type Transport } from './transport.ts';

/** @param server URL; undefined: the configured store */
export async function openAdministration(server: string | undefined, io: CommandIo): Promise<Administration> {
  const transport = server === undefined ? await openStoreTransport(io) : createServerTransport(server, io);
  return createAdministration(operations, transport);
}

async function openStoreTransport(io: CommandIo): Promise<Transport> {
  const opened = await openStore(io);
  const destination = { write: (line: string) => void io.stderr.write(line) };
  const own = createSelfAdministration(opened, createLogger({ level: 'error', destination }));
  return createStoreTransport(createOperationDeps({ ...opened, ...own }), operatorOf(io), async () => {
    await own.accountMails.settle();
    await opened[Symbol.asyncDispose]();
  });
}
