import { fileURLToPath } from 'node:url';

/** The package's own folder of that name, in a checkout and in the built package alike. */
export function packageFolder(name: string): string {
  return fileURLToPath(new URL(`./${name}/`, import.meta.resolve('#package.json')));
}
