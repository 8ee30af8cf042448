/** Pages: `eta` templates that escape, the operator's folder first. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';

export interface Views {
  /** @param name of a template without its ending @throws Error if it does not exist */
  render(name: string, data: Record<string, unknown>): string;
}

/** The package's own folder of that name, in a checkout and in the built package alike. */
export function packageFolder(name: string): string {
  return fileURLToPath(new URL(`./${name}/`, import.meta.resolve('#package.json')));
}

/** @param required templates that must be there, so that a missing one is found at start */
export function createViews({
  folders,
  required,
}: {
  folders: readonly string[];
  required: readonly string[];
}): Views {
  const find = (name: string): string | undefined =>
    folders.map((folder) => join(folder, `${name}.eta`)).find((path) => existsSync(path));
  const missing = required.filter((name) => !find(name));
  if (missing.length > 0) throw new Error(`templates are missing: ${missing.join(', ')}`);

  const eta = new Eta({ autoEscape: true, cache: true, useWith: false, views: folders.at(-1) ?? '' });
  eta.resolvePath = (name) => {
    const path = find(name.replace(/^\.?\//, '').replace(/\.eta$/, ''));
    if (!path) throw new Error(`no template ${name}`);
    return path;
  };
  return { render: (name, data) => eta.render(name, data) };
}
