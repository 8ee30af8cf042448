import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { importRecords, readKeys } from '../admin/import.ts';
import { Conflict, type KeyStore, type StoredKey } from '../storage/contract.ts';
import type { MasterKey } from '../storage/master-key.ts';
import { MissingMasterKey, openVault, WrongMasterKey } from '../storage/vault.ts';
import { type Command, CommandFailed } from './command.ts';
import { writeLines } from './input.ts';
import { readPath, withStorage } from './open.ts';

export const importStore: Command = {
  summary: 'Reads a file that export wrote into an empty store.',
  usage: ['import FILE'],
  details: [
    'The master key must be the one of the exported store. A file that was changed or cut off is refused, and then',
    'nothing of it is kept.',
  ],
  async run(args, io) {
    const { path, config } = readPath(args, io);
    const read = () => importRecords(linesOf(path));
    await requireMasterKey(await readKeys(read()), config.masterKey, io.now);
    await withStorage(config, ({ dump }) => dump.import(read())).catch((error) => {
      if (error instanceof Conflict)
        throw new CommandFailed('The export has a row twice: nothing was imported.');
      throw error;
    });
    writeLines(io.stdout, [`${path} was imported.`]);
  },
};

/** Opened when it is asked for the first line: what an interface reads before that is lost. */
async function* linesOf(path: string): AsyncGenerator<string> {
  yield* createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
}

/** Rows that no key here can open would be found out when the server starts, with the store already full of them. */
async function requireMasterKey(rows: readonly StoredKey[], masterKey: MasterKey, now: () => number) {
  if (rows.length === 0) throw new CommandFailed('The export holds no keys, so it is not of a whole store.');
  const keys: KeyStore = {
    list: async () => [...rows],
    insert: async () => false,
    replace: async () => undefined,
    remove: async () => undefined,
    revision: async () => 1,
  };
  try {
    await openVault({ keys, masterKey, now });
  } catch (error) {
    if (!(error instanceof WrongMasterKey || error instanceof MissingMasterKey)) throw error;
    const here =
      masterKey.source === 'env'
        ? 'the one in GRANTABLE_MASTER_KEY is another'
        : `${masterKey.path} ${error instanceof MissingMasterKey ? 'is not there' : 'holds another'}`;
    throw new CommandFailed(
      `What was exported can be read with the master key of its store only, and ${here}. Nothing was imported.`,
    );
  }
}
