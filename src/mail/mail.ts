/**
 * Mail: plain text to one person at a time, and where it goes. Its callers choose the text, the recipient, the links and how
 * often. It takes text and no part of a request, so a `Host` header cannot get into a mail from here (HD-01).
 */
import { join } from 'node:path';
import { Unavailable } from '../errors/domain.ts';
import { writeLetterFile } from './letter-file.ts';
import { type Letter, requireSendable } from './letters.ts';
import { createSmtp, type Deliver, type SmtpServer } from './smtp.ts';

export interface MailDeps {
  /** The mail server, and the address that mails come from; without it mails become files, or fail in production. */
  readonly smtp: { readonly server: SmtpServer; readonly from: string } | undefined;
  readonly production: boolean;
  /** Absolute. Files go into its folder `mail`. */
  readonly dataDir: string;
  readonly log: { info(members: object, message: string): void };
  /** Milliseconds. */
  readonly now: () => number;
}

export type Mail = ReturnType<typeof createMail>;

const RETRY_AFTER_SECONDS = 30;
const RETRY_AFTER_BUSY_SECONDS = 5;
const RETRY_AFTER_MISSING_SECONDS = 3600;
/** Each waits for the mail server at most as long as `smtp.ts` says. */
const MAX_UNDER_WAY = 20;

function createDelivery({ smtp, production, dataDir, log, now }: MailDeps): Deliver | undefined {
  if (smtp) return createSmtp(smtp, now);
  if (production) return undefined;
  return async (letter) => {
    const path = await writeLetterFile(join(dataDir, 'mail'), letter, now());
    log.info({ path }, 'a mail was written to a file, because there is no mail server');
  };
}

export function createMail(deps: MailDeps) {
  const deliver = createDelivery(deps);
  let underWay = 0;

  return {
    /** Whether mails go anywhere. */
    available: deliver !== undefined,
    /**
     * Resolves when the mail server has taken the mail, or when its file is written. How long that takes and whether it
     * fails shows that there is a recipient, so a caller that must hide this answers without waiting for it.
     *
     * @throws MalformedRequest when `to` is not exactly one address, or when `to` or `subject` would change the head of
     *   the mail; nothing was sent then
     * @throws Unavailable when mail is not available, too many are under way, or the mail server is away, slow or refuses
     */
    async send(letter: Letter): Promise<void> {
      requireSendable(letter);
      if (!deliver) throw new Unavailable(RETRY_AFTER_MISSING_SECONDS, { reason: 'there is no mail server' });
      if (underWay >= MAX_UNDER_WAY) {
        throw new Unavailable(RETRY_AFTER_BUSY_SECONDS, { reason: 'too many mails are under way' });
      }
      underWay += 1;
      try {
        await deliver(letter);
      } catch (error) {
        const reason = `a mail could not be sent: ${(error as Error).message}`;
        throw new Unavailable(RETRY_AFTER_SECONDS, { reason, cause: error });
      } finally {
        underWay -= 1;
      }
    },
  };
}
