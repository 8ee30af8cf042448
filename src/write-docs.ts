/**
 * Writes the files that follow from declarations. With `--check` it writes nothing and fails if a file is not what it
 * would have written.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { renderClientTable } from './admin/openapi/client-table.ts';
import { renderDescription } from './admin/openapi/describe.ts';
import { operations } from './admin/operations/index.ts';
import { configurationDocs } from './config/configuration-docs.ts';

/** The files in this checkout, and their whole texts. */
export const written: Readonly<Record<string, () => string>> = {
  ...configurationDocs,
  'docs/openapi.json': () => renderDescription(operations),
  'src/admin-client/table.ts': () => renderClientTable(operations),
};

function main(check: boolean): void {
  for (const [path, render] of Object.entries(written)) {
    const file = new URL(`../${path}`, import.meta.url);
    if (!check) writeFileSync(file, render());
    else if (readFileSync(file, 'utf8') !== render()) {
      console.error(`${path} is out of date: run \`npm run docs\``);
      process.exitCode = 1;
    }
  }
}

if (import.meta.main) main(process.argv.includes('--check'));
