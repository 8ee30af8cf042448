/** What people do about their accounts: registering, activating, setting a forgotten password, seeing who they are. */
import { AccountGone, requireMails } from '../../accounts/account-mails.ts';
import { isActive } from '../../directory/users.ts';
import { AlreadyTaken, UnfitPassword } from '../../errors/domain.ts';
import { Refusal } from '../../http/refusal.ts';
import type { User } from '../../nouns/index.ts';
import { findableEmail } from '../../nouns/usernames.ts';
import type { FaceRequest, FaceRoutes } from '../face.ts';
import type { FaceParts } from '../parts.ts';
import { requireScope } from './access.ts';
import type { FusioSettings } from './declaration.ts';
import { insteadOfRejected, malformed } from './failures.ts';
import { authorFor, fieldsOf, requireText, toDateTime } from './requests.ts';
import { findScopes } from './scopes.ts';

/** As in the original. A name cannot look like an email address, because another person could log in with that. */
const NAME = /^[A-Za-z0-9._-]{3,255}$/;
const PRINTABLE_ASCII = /^[!-~]*$/;
/** Of an account: active. */
const ACTIVE = 1;

const done = (message: string) => ({ success: true, message });

/** As the original's texts are. @throws Refusal 400 in place of a password that will not do */
function tellPassword(error: unknown): never {
  if (!(error instanceof UnfitPassword)) throw error;
  throw malformed(`Password ${error.problem}`);
}

export function createAccountRoutes(deps: FaceParts): FaceRoutes {
  const { users, registerByMail, accountMails, limitRegistration } = deps;

  async function findRoleNumber({ view }: FaceRequest, { roles }: User): Promise<number | null> {
    const [first] = roles;
    return (first === undefined ? undefined : await view.findRole(first))?.number ?? null;
  }

  /** An application that a person registered acts as that person; one that the operator made, as itself. */
  async function describeApplication(id: string, { view }: FaceRequest) {
    const active = await view.findApplicationById(id);
    if (!active) throw new Refusal(404, 'Could not find user');
    const { application } = active;
    if (application.owner !== undefined) return { owner: application.owner };
    return {
      itself: {
        id: application.number,
        roleId: null,
        planId: null,
        status: ACTIVE,
        name: application.name,
        email: null,
        points: null,
        scopes: await findScopes(view, application),
        plans: [],
        metadata: null,
        date: toDateTime(application.createdAt),
      },
    };
  }

  return {
    async 'GET /authorization/whoami'(request) {
      const token = await requireScope(request, 'authorization');
      const { view, client } = request;
      const { owner, itself } =
        token.user === undefined
          ? await describeApplication(token.application, request)
          : { owner: token.user };
      if (itself) return itself;
      const user = owner === undefined ? undefined : await users.find(owner);
      if (!user || !isActive(user)) throw new Refusal(404, 'Could not find user');
      return {
        id: user.number,
        roleId: await findRoleNumber(request, user),
        planId: null,
        status: ACTIVE,
        name: user.username,
        email: user.email ?? null,
        points: null,
        scopes: await findScopes(view, client.application, user),
        plans: [],
        metadata: null,
        date: toDateTime(user.createdAt),
      };
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
      ).catch((error: unknown) => {
        throw error instanceof AlreadyTaken ? malformed('User name already exists') : tellPassword(error);
      });
      return done('Registration successful');
    },

    async 'POST /consumer/activate'(request) {
      const token = requireText(fieldsOf(request), 'token', 'No token provided');
      await accountMails
        .activate(token, request.client.application, (user) => authorFor(request, user))
        .catch(
          insteadOfRejected((error) =>
            malformed(error instanceof AccountGone ? 'Could not find user' : 'Invalid token provided'),
          ),
        );
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
        .catch(insteadOfRejected(() => malformed('Invalid token provided')))
        .catch(tellPassword);
      return done('Password successful changed');
    },
  };
}
