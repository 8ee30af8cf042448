import { explainToken } from '../admin/explain.ts';
import { formatExplanation } from '../admin/explain-report.ts';
import type { Command } from './command.ts';
import { readArguments, readToken, writeLines } from './input.ts';
import { openStore } from './open.ts';

export const explain: Command = {
  summary: 'Says what a token allows, where each right came from, when it dies, and whether it is active.',
  usage: ['explain TOKEN', 'explain -'],
  details: ['With -, the token is read from stdin: arguments can be seen by other users of the machine.'],
  async run(args, io) {
    const { positionals } = readArguments(args, {}, 1);
    const token = await readToken(positionals[0] as string, io);
    await using opened = await openStore(io);
    writeLines(io.stdout, formatExplanation(await explainToken(token, opened), io.now()));
  },
};
