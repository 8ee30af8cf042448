/**
 * Delivery to a mail server. Each mail opens a connection: mails are rare, and the server may close an idle connection
 * just when it is needed.
 */
import type { SMTPTransportOptions } from 'nodemailer/lib/smtp-transport';
import { defined } from '../storage/defined.ts';
import type { Letter } from './letters.ts';

export interface SmtpServer {
  /** A name or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** `tls` from the first byte, `starttls` before anything else is said, or none. Never "if the server offers it". */
  readonly encryption: 'tls' | 'starttls' | 'none';
  readonly login?: { readonly user: string; readonly password: string };
}

/** @throws Error whose message is for the log: it holds no secret, and neither the recipient nor the text */
export type Deliver = (letter: Letter) => Promise<void>;

/** Milliseconds: until the server has greeted, TLS included; between two of its answers; for everything together. */
const TIMEOUTS_MS = { greeting: 5_000, silence: 5_000, whole: 10_000 } as const;

/** Milliseconds that a server has to close a connection that Grantable has ended. */
const CLOSING = 1_000;
/** Bytes of one answer; honest ones are a few hundred. */
const MAX_ANSWER = 65_536;

function toOptions({ host, port, encryption, login }: SmtpServer): SMTPTransportOptions {
  return defined({
    host,
    port,
    secure: encryption === 'tls',
    requireTLS: encryption === 'starttls',
    ignoreTLS: encryption === 'none',
    // Set explicitly, so that a variable of Node's environment cannot disable it.
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2' },
    auth: login && { user: login.user, pass: login.password },
    // A server that does not offer authentication is not the configured server.
    forceAuth: login && true,
    connectionTimeout: TIMEOUTS_MS.greeting,
    greetingTimeout: TIMEOUTS_MS.greeting,
    dnsTimeout: TIMEOUTS_MS.greeting,
    socketTimeout: TIMEOUTS_MS.silence,
    socketCloseTimeout: CLOSING,
    maxResponseSize: MAX_ANSWER,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

/** `command`: the SMTP command; `response`: what the server said. */
type Failure = Partial<Readonly<Record<'message' | 'code' | 'command' | 'response', string>>>;

/** The messages of these errors are Node's or nodemailer's own, and do not quote the server. */
const ON_THE_WAY = new Set(['ECONNECTION', 'ESOCKET', 'ETIMEDOUT', 'EDNS', 'ETLS']);
/** Characters. A TLS error lists the names of a certificate, which may have thousands. */
const MAX_SHOWN = 300;
/** Reply code and enhanced status code (RFC 3463). */
const CODES = /^\d{3}(?:[ -]\d\.\d{1,3}\.\d{1,3}\b)?/;

/**
 * What may be logged. A server's answer may quote the recipient, the text with its links, or a command with
 * the login, so the log gets only its codes.
 */
function toLoggable(error: unknown): Error {
  const { message = '', code = 'unknown', command, response } = error as Failure;
  if (response !== undefined) {
    const codes = CODES.exec(response)?.[0] ?? 'no SMTP reply';
    return new Error(`the mail server answered ${codes} to ${command ?? 'the connection'}`);
  }
  if (code === 'EABORT') return new Error(`the mail server took more than ${TIMEOUTS_MS.whole / 1000} s`);
  const [line = ''] = message.trim().split('\n', 1);
  return new Error(ON_THE_WAY.has(code) ? `${code}: ${line.slice(0, MAX_SHOWN)}` : `failed with ${code}`);
}

/** @param now milliseconds */
export function createSmtp(
  { server, from }: { readonly server: SmtpServer; readonly from: string },
  now: () => number,
): Deliver {
  const options = toOptions(server);

  return async ({ to, subject, text }) => {
    const { createTransport } = await import('nodemailer');
    try {
      await createTransport(options).sendMail({
        // As objects, because nodemailer parses texts as lists of addresses.
        from: { name: '', address: from },
        to: { name: '', address: to },
        subject,
        text,
        date: new Date(now()),
        xMailer: false,
        // Prevents absence notices (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated' },
        signal: AbortSignal.timeout(TIMEOUTS_MS.whole),
      });
    } catch (error) {
      throw toLoggable(error);
    }
  };
}
