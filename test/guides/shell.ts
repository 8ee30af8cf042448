/** One shell for all commands of a guide, so that they share functions and variables. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Shell extends AsyncDisposable {
  /** @returns what the commands print, errors included */
  type(commands: string): Promise<string>;
  /** Commands that go on until the end. */
  start(commands: string): void;
}

/** Printed after commands. */
const END = '--- end ---';

/** @param env in place of that of this process */
export function openShell(cwd: string, env: Readonly<Record<string, string>>): Shell {
  // A group of its own, which is ended as a whole: npm and a shell stand between us and each program.
  const child = spawn('bash', [], { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  // Held by what goes on: it is closed when all have ended.
  child.stderr.resume();
  const printed = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
  return {
    start: (commands) => child.stdin.write(`{ ${commands}\n} >&2 </dev/null &\n`),
    async type(commands) {
      child.stdin.write(`{ ${commands}\n} 2>&1 </dev/null\necho '${END}'\n`);
      let output = '';
      while (!output.endsWith(`${END}\n`)) {
        const { value, done } = await printed.next();
        if (done) throw new Error(`The shell ended after: ${output}`);
        output += value;
      }
      return output.slice(0, -END.length - 1);
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'close');
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      await ended;
    },
  };
}
