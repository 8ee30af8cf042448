/** Opens the way to what is administered: the configured store, or a server. */
import { operations } from '../../admin/operations/index.ts';
import { createOperationDeps } from '../../server/operation-deps.ts';
import type { CommandIo } from '../command.ts';
import { openStore, operatorOf } from '../open.ts';
import { createServerTransport } from './server-transport.ts';
import { createStoreTransport } from './store-transport.ts';
import { type Administration, createAdministration } from './transport.ts';

/** @param server URL; undefined: the configured store */
export async function openAdministration(server: string | undefined, io: CommandIo): Promise<Administration> {
  if (server !== undefined) return createAdministration(operations, createServerTransport(server, io));
  const opened = await openStore(io);
  const transport = createStoreTransport(createOperationDeps(opened), operatorOf(io), () =>
    opened[Symbol.asyncDispose](),
  );
  return createAdministration(operations, transport);
}
