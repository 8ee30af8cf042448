import { join, resolve } from 'node:path';
import { loadApplyFile } from '../apply/file.ts';
import { formatReport } from '../apply/report.ts';
import { packageFolder } from '../server/package-folder.ts';
import type { Command } from './command.ts';
import { flags, readArguments, writeLines } from './input.ts';
import { openStore, operatorOf } from './open.ts';

const options = flags('dry-run', 'prune', 'reset-passwords');

export const apply: Command = {
  summary: 'Changes organizations, resources, roles, applications and users to what FILE says.',
  usage: ['apply FILE [--dry-run] [--prune] [--reset-passwords]'],
  details: [
    'FILE is YAML or JSON. What it leaves out stays as it is; applied again, it changes nothing. Secrets that are made',
    'are kept in generated-secrets.txt in the data folder. All keys, with a sample:',
    join(packageFolder('docs'), 'configuration.md'),
    '',
    '  --dry-run          only shows what would change',
    '  --prune            removes what an earlier apply made and FILE leaves out, in lists that FILE has;',
    '                     what people, faces or commands made stays',
    '  --reset-passwords  sets the passwords of people who are there already to those of the file',
  ],
  async run(args, io) {
    const { values, positionals } = readArguments(args, options, 1);
    const file = loadApplyFile(resolve(io.cwd, positionals[0] as string));
    const dryRun = values['dry-run'] ?? false;
    await using opened = await openStore(io, dryRun ? 'pretend' : 'create');
    const report = await opened.apply(file, {
      dryRun,
      prune: values.prune ?? false,
      resetPasswords: values['reset-passwords'] ?? false,
      author: operatorOf(io),
    });
    writeLines(io.stdout, formatReport(report));
  },
};
