import { testDatasource } from '../admin/datasources.ts';
import { findNamed } from '../admin/find-named.ts';
import { toOneLine } from '../errors/texts.ts';
import { type Command, DONE, FAILED, requireFound } from './command.ts';
import { readArguments, readSecret, texts } from './input.ts';
import { openStore, operatorOf } from './open.ts';

export const datasource: Command = {
  summary: 'Tries out a database that people log in against, step by step.',
  usage: ['datasource test ORGANIZATION/NAME [--as USER]'],
  details: [
    'Connects as the server would, looks for the registered columns, and with --as tries a login as USER against each',
    'table. The password is asked for without an echo, or read from stdin; without one only the row is looked at.',
    'Tables that were kept as unverified count as verified once all their columns are found.',
  ],
  async run(args, io) {
    const { positionals, values } = readArguments(args, texts('as'), 2);
    const [, name = ''] = positionals;
    await using opened = await openStore(io);
    const found = await findNamed(opened.store, 'datasources', name);
    const datasource = requireFound(found, `There is no datasource ${name}.`);
    const login =
      values.as === undefined
        ? undefined
        : { username: values.as, password: await readSecret(`Password of ${toOneLine(values.as)}: `, io) };
    let isGood = true;
    for await (const { ok, says } of testDatasource(datasource, login, opened, operatorOf(io))) {
      io.stdout.write(`${ok ? 'ok    ' : 'FAILED'}  ${toOneLine(says)}\n`);
      isGood &&= ok;
    }
    return isGood ? DONE : FAILED;
  },
};
