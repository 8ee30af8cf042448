/** The stores of a database, each method of which runs as `guarded` runs an operation. */
import type { Storage } from '../../../src/storage/contract.ts';
import { createArtifacts } from './artifacts.ts';
import { createAudit } from './audit.ts';
import { createCounters } from './counters.ts';
import { createDirectoryStore } from './directory.ts';
import { guardEach } from './errors.ts';
import type { Heads } from './heads.ts';
import { createKeys } from './keys.ts';
import { createNodes } from './nodes.ts';
import { createOutbox } from './outbox.ts';
import { createLogins, createTokens, type SharedDocuments } from './rows.ts';
import type { Models } from './schemas.ts';

export function createStores(models: Models, heads: Heads, shared: SharedDocuments) {
  return {
    artifacts: guardEach(createArtifacts(models)),
    tokens: guardEach(createTokens(models, shared)),
    logins: guardEach(createLogins(models, shared)),
    nodes: guardEach(createNodes(models, heads)),
    counters: guardEach(createCounters(models)),
    audit: guardEach(createAudit(models)),
    keys: guardEach(createKeys(models, heads)),
    outbox: guardEach(createOutbox(models, heads)),
    directory: createDirectoryStore(models, heads),
  } satisfies Partial<Storage>;
}
