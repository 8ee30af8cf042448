/** The stores of a file. */
import type { Storage } from '../../../src/storage/contract.ts';
import { KnownShared } from '../../../src/storage/row-documents.ts';
import { createArtifacts } from './artifacts.ts';
import { createAudit } from './audit.ts';
import { createCounters } from './counters.ts';
import type { Transactions } from './database.ts';
import { createDirectoryStore } from './directory.ts';
import { createKeys } from './keys.ts';
import { createNodes } from './nodes.ts';
import { createOutbox } from './outbox.ts';
import { createLogins, createTokens } from './rows.ts';

export function createStores(database: Transactions) {
  const known = new KnownShared<number>();
  return {
    artifacts: createArtifacts(database),
    tokens: createTokens(database, known),
    logins: createLogins(database, known),
    nodes: createNodes(database),
    counters: createCounters(database),
    audit: createAudit(database),
    keys: createKeys(database),
    outbox: createOutbox(database),
    directory: createDirectoryStore(database),
  } satisfies Partial<Storage>;
}
