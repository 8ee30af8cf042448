/** Which files import which, read from their text, and the circles in that. */
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Files by their paths from the package's folder, each with those that it imports, in order. */
export type Imports = ReadonlyMap<string, readonly string[]>;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** `import … from '…'`, `export … from '…'`, `import '…'`, `import('…')`, of types too. */
const IMPORT = /^(?:import|export)\b(?:[^;'"]*?\bfrom)?\s*'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'\s*\)/gm;

/** @returns the files that a file with this text imports */
export function importsOf(file: string, text: string): string[] {
  const found = [...text.matchAll(IMPORT)].map(([, from, called]) =>
    join(dirname(file), from ?? called ?? ''),
  );
  return [...new Set(found)].sort();
}

/** @param folders from the package's folder, with all below them */
export async function readImports(folders: readonly string[]): Promise<Imports> {
  const files: string[] = [];
  for (const folder of folders) {
    const names = await readdir(join(ROOT, folder), { recursive: true });
    files.push(...names.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name)));
  }
  const imports = new Map<string, readonly string[]>();
  for (const file of files.sort()) {
    const text = await readFile(join(ROOT, file), 'utf8');
    imports.set(file, importsOf(file, text));
  }
  return imports;
}

/** @returns the groups of files that reach each other, files and groups in order (Tarjan's strongly connected components) */
export function findCircles(imports: Imports): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const circles: string[][] = [];
  const numberOf = (numbers: ReadonlyMap<string, number>, file: string) => numbers.get(file) ?? 0;

  function visit(file: string): void {
    const number = order.size;
    order.set(file, number);
    lowest.set(file, number);
    open.push(file);
    for (const imported of imports.get(file) ?? []) {
      if (!order.has(imported)) visit(imported);
      else if (!open.includes(imported)) continue;
      lowest.set(file, Math.min(numberOf(lowest, file), numberOf(lowest, imported)));
    }
    if (lowest.get(file) !== number) return;
    const circle = open.splice(open.indexOf(file));
    if (circle.length > 1) circles.push(circle.sort());
  }

  for (const file of imports.keys()) if (!order.has(file)) visit(file);
  return circles.sort(([one = ''], [other = '']) => one.localeCompare(other));
}
