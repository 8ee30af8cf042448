/** An nginx in a folder of its own, which listens on a socket there, ended with the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from './programs.ts';
import { until } from './until.ts';

/** Why it cannot be had here; `false` if it can. In CI a missing program is a failure. */
export function nginxMissing(): string | false {
  if (findProgram('nginx')) return false;
  const sentence = 'no nginx: install it, on Debian with apt-get install nginx-light';
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

export interface Nginx extends AsyncDisposable {
  /** Path of the socket. */
  readonly socket: string;
}

/**
 * @param upstreams ports by name
 * @param server what stands in the `server` block
 */
export async function startNginx(
  upstreams: Readonly<Record<string, number>>,
  server: string,
): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), 'grantable-nginx-'));
  const socket = join(folder, 'socket');
  const ours = ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => {
    const name = kind === 'body' ? 'client_body' : kind;
    return `${name}_temp_path ${join(folder, kind)};`;
  });
  const settings = `
    daemon off;
    master_process off;
    pid ${join(folder, 'pid')};
    events {}
    http {
      access_log off;
      ${ours.join('\n')}
      ${Object.entries(upstreams)
        .map(([name, port]) => `upstream ${name} { server 127.0.0.1:${port}; }`)
        .join('\n')}
      server {
        listen unix:${socket};
        ${server}
      }
    }`;
  writeFileSync(join(folder, 'nginx.conf'), settings);
  const log = join(folder, 'log');
  const child = spawn(
    findProgram('nginx') as string,
    ['-p', folder, '-e', log, '-c', join(folder, 'nginx.conf')],
    { stdio: 'ignore' },
  );
  await until('nginx answers', async () => {
    if (child.exitCode !== null) throw new Error(readFileSync(log, 'utf8'));
    const connection = connect(socket);
    const isOpen = await once(connection, 'connect').then(
      () => true,
      () => false,
    );
    connection.destroy();
    return isOpen;
  });
  return {
    socket,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
