/** Pages: `eta` templates that escape, the operator's folder first. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Eta } from 'eta';

export interface Views {
  /**
   * Of `data`, what is printed with `<%=` is escaped. `layout` belongs to the templates.
   *
   * @param name of a template without its ending
   */
  render(name: string, data: Record<string, unknown>): string;
}

/** A template is missing or broken; said at start. */
export class BadViews extends Error {
  override readonly name = 'BadViews';
}

export interface ViewsDeps {
  /** The first that has a template gives it. */
  readonly folders: readonly string[];
  /** Templates that must be there and compile. */
  readonly required: readonly string[];
}

/** @throws BadViews */
export function createViews({ folders, required }: ViewsDeps): Views {
  const paths = new Map<string, string | undefined>();
  const find = (name: string): string | undefined => {
    const path =
      paths.get(name) ??
      folders.map((folder) => join(folder, `${name}.eta`)).find((file) => existsSync(file));
    paths.set(name, path);
    return path;
  };
  const missing = required.filter((name) => find(name) === undefined);
  if (missing.length > 0) {
    throw new BadViews(`These templates are in none of the folders of views: ${missing.join(', ')}.`);
  }

  const eta = new Eta({ autoEscape: true, cache: true, useWith: false });
  eta.resolvePath = (name) => {
    const path = find(name.replace(/^\.?\//, ''));
    if (path === undefined) throw new BadViews(`There is no template ${name}.`);
    return path;
  };
  for (const name of required) {
    const path = find(name) as string;
    try {
      eta.templatesSync.define(path, eta.compile(eta.readFile(path), { filepath: path }));
    } catch (error) {
      const [why] = String((error as Error).message).split('\n');
      throw new BadViews(`The template ${path} does not compile: ${why}.`, { cause: error });
    }
  }
  return { render: (name, data) => eta.render(name, data) };
}
