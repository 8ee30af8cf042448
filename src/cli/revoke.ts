import { findApplication, findUsers, revokeApplication, revokeToken, revokeUser } from '../admin/revoke.ts';
import { toOneLine } from '../config/printable.ts';
import {
  type Command,
  CommandFailed,
  DONE,
  readArguments,
  readToken,
  UsageError,
  writeLines,
} from './command.ts';
import { authorOf, withStore } from './open.ts';

const options = {
  token: { type: 'string' },
  user: { type: 'string' },
  application: { type: 'string' },
} as const;

export const revoke: Command = {
  name: 'revoke',
  summary: 'Ends a token and what came from it, or all tokens and logins of a user or an application.',
  usage: ['revoke --token TOKEN', 'revoke --user USER', 'revoke --application APPLICATION'],
  details: [
    '  TOKEN        an access or refresh token; with -, it is read from stdin',
    '  USER         organization/application/username, organization/username for users of the organization itself,',
    '               management/username for administrators, or a UUID',
    '  APPLICATION  organization/application, a client id, or a UUID',
    '',
    'Users can log in again and applications get new tokens; to keep them out, disable them with apply.',
  ],
  async run(args, io) {
    const { values } = readArguments(args, options, 0);
    if (Object.keys(values).length !== 1) throw new UsageError('Say what to revoke, one thing at a time');
    const token = values.token === undefined ? undefined : await readToken(values.token, io);
    return withStore(io, {}, async (opened) => {
      const { storage } = opened;
      const deps = { ...opened, store: storage.directory, logins: storage.logins, audit: storage.audit };
      const author = authorOf(io);
      if (token !== undefined) {
        const revoked = await revokeToken(token, deps, author);
        if (!revoked)
          throw new CommandFailed('There is no such token, or it has expired: nothing was revoked.');
        return say(revoked.what);
      }
      if (values.user !== undefined) {
        const users = await findUsers(storage.directory, values.user);
        const [user, other] = users;
        if (!user) throw new CommandFailed(`There is no user ${values.user}.`);
        if (other) {
          const ids = users.map(({ id, realm }) => `${id} (${realm.split(':')[0]})`).join(', ');
          throw new CommandFailed(`${values.user} are several users: give the id of one, ${ids}.`);
        }
        return say((await revokeUser(user, deps, author)).what);
      }
      const application = await findApplication(storage.directory, values.application as string);
      if (!application) throw new CommandFailed(`There is no application ${values.application}.`);
      return say((await revokeApplication(application, deps, author)).what);
    });

    function say(what: string): number {
      writeLines(io.stdout, [toOneLine(`Revoked ${what}.`)]);
      return DONE;
    }
  },
};
