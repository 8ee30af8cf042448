/** What people do about their accounts: registering, activating, setting a forgotten password, seeing who they are. */
import { AccountGone, requireMails } from '../../accounts/account-mails.ts';
import { isActive } from '../../directory/users.ts';
import { AlreadyTaken, ProofRejected, UnfitPassword } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import type { Application, User } from '../../nouns/index.ts';
import { findableEmail } from '../../nouns/usernames.ts';
import { type FaceRoutes, insteadOf } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { requireScope } from './access.ts';
import type { FusioSettings } from './declaration.ts';
import { malformed } from './failures.ts';
import { authorFor, fieldsOf, requireText, toDateTime } from './requests.ts';
import { findScopes } from './scopes.ts';

/** As in the original. A name cannot look like an email address, because another person could log in with that. */
const NAME = /^[A-Za-z0-9._-]{3,255}$/;
const PRINTABLE_ASCII = /^[!-~]*$/;
/** Of an account: active. */
const ACTIVE = 1;

const done = (message: string) => ({ success: true, message });

const insteadOfUnfit = insteadOf(UnfitPassword, ({ problem }) => malformed(`Password ${problem}`));

/** @param roleId number of the first role of a person */
const describe = (of: User | Application, name: string, scopes: readonly string[], roleId?: number) => ({
  id: of.number,
  roleId: roleId ?? null,
  planId: null,
  status: ACTIVE,
  name,
  // An application has none.
  email: (of as Partial<User>).email ?? null,
  points: null,
  scopes,
  plans: [],
  metadata: null,
  date: toDateTime(of.createdAt),
});

export function createAccountRoutes(deps: FaceParts): FaceRoutes {
  const { users, registerByMail, accountMails, limitRegistration } = deps;

  return {
    async 'GET /authorization/whoami'(request) {
      const token = await requireScope(request, 'authorization');
      const { view, client } = request;
      const active = token.user === undefined && (await view.findApplicationById(token.application));
      const bearer = active ? active.application : undefined;
      // An application that a person registered acts as that person; one that the operator made, as itself.
      const owner = token.user ?? bearer?.owner;
      if (bearer && owner === undefined) {
        return describe(bearer, bearer.name, await findScopes(view, bearer));
      }
      const user = owner === undefined ? undefined : await users.find(owner);
      if (!user || !isActive(user)) throw new Refusal(404, 'Could not find user');
      const [first] = user.roles;
      const role = first === undefined ? undefined : await view.findRole(first);
      return describe(user, user.username, await findScopes(view, client.application, user), role?.number);
    },

    async 'POST /consumer/register'(request) {
      const { registration, activationUrl } = request.settings as FusioSettings;
      if (!registration) throw new Refusal(503, 'Registration is switched off');
      const fields = fieldsOf(request);
      const username = requireText(fields, 'name', 'No username was provided');
      const email = requireText(fields, 'email', 'No email was provided');
      const password = requireText(fields, 'password', 'No password was provided');
      if (!NAME.test(username)) throw malformed('Invalid user name');
      if (findableEmail(email) === undefined) throw malformed('Invalid email format');
      if (!PRINTABLE_ASCII.test(password)) {
        throw malformed('Password must contain only printable ascii characters');
      }
      const { application } = request.client;
      const account = { application, username, email, password, author: authorFor(request) };
      await registerByMail(account, activationUrl)
        .catch(insteadOf(AlreadyTaken, () => malformed('User name already exists')))
        .catch(insteadOfUnfit);
      return done('Registration successful');
    },

    async 'POST /consumer/activate'(request) {
      const token = requireText(fieldsOf(request), 'token', 'No token provided');
      await accountMails
        .activate(token, request.client.application, (user) => authorFor(request, user))
        .catch(insteadOf(AccountGone, () => malformed('Could not find user')))
        .catch(insteadOf(ProofRejected, () => malformed('Invalid token provided')));
      return done('Activation successful');
    },

    async 'POST /consumer/password_reset'(request) {
      const { passwordResetUrl } = request.settings as FusioSettings;
      const email = requireText(fieldsOf(request), 'email', 'No email was provided');
      requireMails(accountMails);
      await limitRegistration(request.address);
      const { application } = request.client;
      accountMails.sendPasswordReset(application, email, passwordResetUrl, authorFor(request));
      return done('Password reset email was send');
    },

    async 'PUT /consumer/password_reset'(request) {
      const fields = fieldsOf(request);
      const token = requireText(fields, 'token', 'No token was provided');
      const newPassword = requireText(fields, 'newPassword', 'Provided no new password');
      await accountMails
        .resetPassword(token, newPassword, request.client.application, (user) => authorFor(request, user))
        .catch(insteadOf(ProofRejected, () => malformed('Invalid token provided')))
        .catch(insteadOfUnfit);
      return done('Password successful changed');
    },
  };
}
