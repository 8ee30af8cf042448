import { rename, rm } from 'node:fs/promises';
import type { Storage } from '../storage/contract.ts';
import { type Command, CommandFailed } from './command.ts';
import { writeLines } from './input.ts';
import { readPath, requireNewFile, requireStore, withStorage } from './open.ts';

export const backup: Command = {
  summary: 'Copies the store into a new file, while it is in use.',
  usage: ['backup FILE'],
  details: [
    'To restore, stop the server, delete the store with the files beside it that end in -wal and -shm, and put the',
    'file in its place. Keep the master key too, apart from the copy: without the key the copy cannot be used.',
  ],
  async run(args, io) {
    const { path, config } = readPath(args, io);
    requireStore(config);
    requireNewFile(path, 'a backup');
    await withStorage(config, (storage) => copy(storage, path));
    writeLines(io.stdout, [`The store was copied to ${path}.`]);
  },
};

/** Whole or not at all: what a kill cut off must not pass for a backup. @throws CommandFailed */
async function copy(storage: Storage, path: string): Promise<void> {
  const unfinished = `${path}.unfinished`;
  const clear = async (): Promise<void> => {
    for (const file of [unfinished, `${unfinished}-journal`]) await rm(file, { force: true });
  };
  await clear();
  try {
    await storage.backup(unfinished);
    await rename(unfinished, path);
  } catch (error) {
    await clear();
    throw new CommandFailed(`The store was not copied: ${(error as Error).message.replace(/\.$/, '')}.`);
  }
}
