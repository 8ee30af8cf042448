/** What is done with a user beside changing what is written of them. */
import { z } from 'zod';
import { guessedAccount } from '../../accounts/authenticate-user.ts';
import { inAudit } from '../../changes/author.ts';
import { defined } from '../../storage/defined.ts';
import { defineOperation } from './operation.ts';
import { requireControlled, requireNoun } from './path-nouns.ts';
import { moment, toMoment, toMomentIf } from './shapes.ts';

const state = z.strictObject({
  enabled: z.boolean(),
  isPending: z.boolean().describe('Registered and not activated yet: the user cannot log in.'),
  hasPassword: z.boolean(),
  hasSecondFactor: z.boolean(),
  passwordChangedAt: moment.exactOptional(),
  throttledUntil: moment
    .exactOptional()
    .describe(
      'Too many wrong passwords: until then Grantable refuses every login from an address that the user never logged in from. Addresses that they did log in from are counted apart.',
    ),
});

export const getUserState = defineOperation(
  {
    id: 'users.state',
    method: 'GET',
    path: '/organizations/{organization}/users/{user}/state',
    summary: 'Shows whether the user can log in, and until when wrong passwords hold the account up.',
    needs: { table: 'users', action: 'read' },
    result: state,
  },
  async (call, deps) => {
    const user = await requireNoun('users', call.parameters.user, call, deps, { action: 'read' });
    const throttledUntil = await deps.throttle.guessesBlockedUntil(guessedAccount(user));
    return {
      body: defined({
        enabled: user.enabled,
        isPending: user.pending === true,
        hasPassword: user.passwordHash !== undefined,
        hasSecondFactor: user.secondFactor,
        passwordChangedAt: toMomentIf(user.passwordChangedAt),
        throttledUntil: toMomentIf(throttledUntil),
      }),
    };
  },
);

export const unlockUser = defineOperation(
  {
    id: 'users.unlock',
    method: 'POST',
    path: '/organizations/{organization}/users/{user}/unlock',
    summary: 'Forgets the wrong passwords of the user, at every door and from every address.',
    needs: { table: 'users', action: 'update' },
    status: 204,
  },
  async (call, deps) => {
    const user = await requireControlled('users', call.parameters.user, ['throttledUntil'], call, deps);
    await deps.throttle.restoreGuesses(guessedAccount(user));
    await deps.audit.append({
      at: deps.now(),
      event: 'user.unlocked',
      outcome: 'changed',
      ...inAudit(call.actor.author),
      ...defined({ subject: user.id, organization: user.organization }),
    });
    return {};
  },
);

const linkShape = z.strictObject({
  link: z.url().meta({ secret: true }).describe('Sets a new password once. It is not shown again.'),
  expiresAt: moment,
});

export const linkPasswordReset = defineOperation(
  {
    id: 'users.passwordReset.link',
    method: 'POST',
    path: '/organizations/{organization}/users/{user}/password-reset/link',
    summary: 'Makes a link with which the user sets a new password, to be handed over.',
    needs: { table: 'users', action: 'update' },
    dangerous: true,
    result: linkShape,
  },
  async (call, deps) => {
    const user = await requireControlled('users', call.parameters.user, ['password'], call, deps);
    const { link, expiresAt } = await deps.passwordLinks.create(user, call.actor.author);
    return { body: { link, expiresAt: toMoment(expiresAt) } };
  },
);

export const mailPasswordReset = defineOperation(
  {
    id: 'users.passwordReset.mail',
    method: 'POST',
    path: '/organizations/{organization}/users/{user}/password-reset/mail',
    summary: 'Mails the user a link to set a new password.',
    needs: { table: 'users', action: 'update' },
    result: z.strictObject({ expiresAt: moment.describe('Until when the link is good.') }),
  },
  async (call, deps) => {
    const user = await requireControlled('users', call.parameters.user, ['password'], call, deps);
    const expiresAt = await deps.passwordLinks.mail(user, call.actor.author);
    return { body: { expiresAt: toMoment(expiresAt) } };
  },
);
