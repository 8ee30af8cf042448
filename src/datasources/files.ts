/** Files of SQLite datasources: only those below one folder, and none that a link leads out of it. */
import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { DatasourceAway } from './connector.ts';

/** What is wrong with the path of a file in the apply file, as the end of a sentence; undefined if nothing is. */
export function findFileProblem(file: string): string | undefined {
  const names = file.split(/[\\/]/);
  if (isAbsolute(file) || /^[a-z][a-z0-9+.-]*:/i.test(file)) return 'must be a path below datasources';
  if (file.includes('\0') || names.some((name) => name === '' || name === '.' || name === '..')) {
    return 'must be a plain path below datasources';
  }
  return undefined;
}

/**
 * @param folder `<data dir>/datasources`
 * @returns the real path of the file @throws DatasourceAway
 */
export async function findFile(folder: string, file: string): Promise<string> {
  if (findFileProblem(file) !== undefined) throw new DatasourceAway(`${file} is not a path below ${folder}`);
  const [root, path] = await Promise.all([realpath(folder), realpath(join(folder, file))]).catch((cause) => {
    throw new DatasourceAway(`${file} is not there`, { cause });
  });
  const inside = relative(root, path);
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new DatasourceAway(`${file} leads out of ${folder}`);
  }
  if (!(await stat(path)).isFile()) throw new DatasourceAway(`${file} is not a file`);
  return path;
}
