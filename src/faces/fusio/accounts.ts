/** What people do about their accounts: registering, activating, setting a forgotten password, seeing who they are. */
import { AccountGone, requireMails } from '../../accounts/account-mails.ts';
import { isActive } from '../../directory/users.ts';
import { AlreadyTaken, ProofRejected, UnfitPassword } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import type { Application, User } from '../../nouns/index.ts';
import { findableEmail } from '../../nouns/usernames.ts';
import type { FaceRequest, FaceRoutes } from '../face.ts';
import { insteadOf } from '../instead-of.ts';
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

interface Account {
  readonly roleId: number | null;
  readonly name: string;
  readonly email: string | null;
  readonly scopes: readonly string[];
}

const describe = (of: User | Application, { roleId, name, email, scopes }: Account) => ({
  id: of.number,
  roleId,
  planId: null,
  status: ACTIVE,
  name,
  email,
  points: null,
  scopes,
  plans: [],
  metadata: null,
  date: toDateTime(of.createdAt),
});

export function createAccountRoutes(deps: FaceParts): FaceRoutes {
  const { users, registerByMail, accountMails, limitRegistration } = deps;

  async function findRoleNumber({ view }: FaceRequest, { roles }: User): Promise<number | null> {
    const [first] = roles;
    return (first === undefined ? undefined : await view.findRole(first))?.number ?? null;
  }

  return {
    async 'GET /authorization/whoami'(request) {
      const token = await requireScope(request, 'authorization');
      const { view, client } = request;
      const bearer =
        token.user === undefined
          ? (await view.findApplicationById(token.application))?.application
          : undefined;
      // An application that a person registered acts as that person; one that the operator made, as itself.
      const owner = token.user ?? bearer?.owner;
      if (bearer && owner === undefined) {
        const scopes = await findScopes(view, bearer);
        return describe(bearer, { roleId: null, name: bearer.name, email: null, scopes });
      }
      const user = owner === undefined ? undefined : await users.find(owner);
      if (!user || !isActive(user)) throw new Refusal(404, 'Could not find user');
      const { username: name, email = null } = user;
      const roleId = await findRoleNumber(request, user);
      return describe(user, {
        roleId,
        name,
        email,
        scopes: await findScopes(view, client.application, user),
      });
    },

    async 'POST /consumer/register'(request) {
      const { client } = request;
      const settings = request.settings as FusioSettings;
      if (!settings.registration) throw new Refusal(503, 'Registration is switched off');
      const fields = fieldsOf(request);
      const username = requireText(fields, 'name', 'No username was provided');
      const email = requireText(fields, 'email', 'No email was provided');
      const password = requireText(fields, 'password', 'No password was provided');
      if (!NAME.test(username)) throw malformed('Invalid user name');
      if (findableEmail(email) === undefined) throw malformed('Invalid email format');
      if (!PRINTABLE_ASCII.test(password)) {
        throw malformed('Password must contain only printable ascii characters');
      }
      const { application } = client;
      await registerByMail(
        { application, username, email, password, author: authorFor(request) },
        settings.activationUrl,
      )
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
      const { client, address } = request;
      const settings = request.settings as FusioSettings;
      const email = requireText(fieldsOf(request), 'email', 'No email was provided');
      requireMails(accountMails);
      await limitRegistration(address);
      accountMails.sendPasswordReset(
        client.application,
        email,
        settings.passwordResetUrl,
        authorFor(request),
      );
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
