import { type Command, UsageError } from './command.ts';
import { guardFollow } from './guard-follow.ts';
import { guardPostgres } from './guard-postgres.ts';

/** What is guarded, and what does it. */
const actions: Readonly<Record<string, Command>> = { postgres: guardPostgres, follow: guardFollow };

export const guard: Command = {
  summary:
    'Makes a database obey tokens: rows and columns that a token does not allow are not there for its client.',
  usage: Object.values(actions).flatMap(({ usage }) => usage),
  details: Object.values(actions).flatMap(({ details = [] }, index) =>
    index > 0 ? ['', ...details] : details,
  ),
  async run([action = '', ...args], io) {
    const found = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (!found) {
      const wrong = action === '' ? 'Say what guard should do' : `There is no guard ${action}`;
      throw new UsageError(`${wrong}: use ${Object.keys(actions).join(' or ')}`);
    }
    return found.run(args, io);
  },
};
