/** A process of its own that opens the vault in a data folder and prints a secret, for tests of starting at once. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openSqliteStorage } from '../../adapters/storage/sqlite/index.ts';
import { openVault } from '../../src/storage/vault.ts';

const folder = process.argv[2] as string;
await mkdir(folder, { recursive: true });
const storage = await openSqliteStorage({ path: join(folder, 'store.db') });
const vault = await openVault({
  keys: storage.keys,
  masterKey: { source: 'data-folder', path: join(folder, 'master.key') },
  now: Date.now,
});
const { key } = (await vault.ring('cookies')).current();
process.stdout.write(key.toString('hex'));
await storage.close();
