/**
 * A mail as a file, for development. It has the form that people read, with each link on one line, and not the form
 * that mail servers need; mail programs open it too (RFC 6532).
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Letter } from './letters.ts';

const OWNER_ONLY_FOLDER = 0o700;
const OWNER_ONLY = 0o600;

function toMessage({ to, subject, text }: Letter, at: number): string {
  const head = [
    `Date: ${new Date(at).toUTCString().replace('GMT', '+0000')}`,
    'From: grantable@localhost',
    `To: ${to}`,
    `Subject: ${subject}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
  ];
  return `${head.join('\n')}\n\n${text.replaceAll(/\r\n?/g, '\n').trimEnd()}\n`;
}

/**
 * @param folder created if it does not exist; only its owner can open it afterwards
 * @param at milliseconds
 * @returns the path of the new file, whose name says when it was written and does not name the recipient
 */
export async function writeLetterFile(folder: string, letter: Letter, at: number): Promise<string> {
  await mkdir(folder, { recursive: true, mode: OWNER_ONLY_FOLDER });
  await chmod(folder, OWNER_ONLY_FOLDER);
  const time = new Date(at).toISOString().replaceAll(/[:.]/g, '-');
  const path = join(folder, `${time}-${randomBytes(8).toString('hex')}.eml`);
  const file = await open(path, 'wx', OWNER_ONLY);
  try {
    await file.writeFile(toMessage(letter, at));
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  return path;
}
