import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { type Command, CommandFailed } from './command.ts';
import { readArguments, writeLines } from './input.ts';
import { requireStore, withStorage } from './open.ts';

export const backup: Command = {
  summary: 'Copies the store into a new file, while it is in use.',
  usage: ['backup FILE'],
  details: [
    'To restore, stop the server, delete the store with the files beside it that end in -wal and -shm, and put the',
    'file in its place. Keep the master key too, apart from the copy: without the key the copy cannot be used.',
  ],
  async run(args, io) {
    const { positionals } = readArguments(args, {}, 1);
    const path = resolve(io.cwd, positionals[0] as string);
    const config = loadConfig(io.env, { cwd: io.cwd });
    requireStore(config);
    if (existsSync(path)) throw new CommandFailed(`${path} is there already: a backup needs a new file.`);
    await withStorage(config, (storage) => storage.backup(path));
    writeLines(io.stdout, [`The store was copied to ${path}.`]);
  },
};
