/** Opens the way to what is administered: the configured store, or a server. */
import { createLogger } from '../../http/log.ts';
import { createOperationDeps } from '../../server/operation-deps.ts';
import { createSelfAdministration } from '../../server/self-administration.ts';
import type { CommandIo } from '../command.ts';
import { openStore, operatorOf } from '../open.ts';
import type { Administration } from './administration.ts';
import { administerServer } from './on-server.ts';
import { administerStore } from './on-store.ts';

/** @param server URL; undefined: the configured store */
export async function openAdministration(server: string | undefined, io: CommandIo): Promise<Administration> {
  if (server !== undefined) return administerServer(server, io);
  const opened = await openStore(io);
  const destination = { write: (line: string) => void io.stderr.write(line) };
  const own = createSelfAdministration(opened, createLogger({ level: 'error', destination }));
  return administerStore(createOperationDeps({ ...opened, ...own }), operatorOf(io), async () => {
    await own.accountMails.settle();
    await opened[Symbol.asyncDispose]();
  });
}
