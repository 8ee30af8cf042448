import type { Command } from './command.ts';
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
    await withStorage(config, (storage) => storage.backup(path));
    writeLines(io.stdout, [`The store was copied to ${path}.`]);
  },
};
