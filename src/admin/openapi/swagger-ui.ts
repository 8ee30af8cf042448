/**
 * The page that shows the description: Swagger UI, whose files the build puts beside this one, since the package it comes
 * from has a dependency that reports installations. Everything is served from here, and the page may load nothing else.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Scripts and requests of this server only. Swagger UI draws its icons from `data:` URLs. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** Below the path of the page. */
export const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <meta name="color-scheme" content="light dark">
    <title>Grantable administration API</title>
    <link rel="icon" href="/assets/icon.svg">
    <link rel="stylesheet" href="docs/swagger-ui.css">
    <script src="docs/swagger-ui-bundle.js" defer></script>
    <script src="docs/start.js" defer></script>
  </head>
  <body>
    <div id="swagger-ui"></div>
    <noscript>This page needs JavaScript. The description is <a href="openapi.json">openapi.json</a>.</noscript>
  </body>
</html>
`;

export const START_SCRIPT = `const dark = matchMedia('(prefers-color-scheme: dark)');
const paint = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', paint);
paint();
SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  // No link makes the page show another description, and the description is not sent away for a badge.
  queryConfigEnabled: false,
  validatorUrl: 'none',
  deepLinking: true,
  docExpansion: 'none',
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
});
`;

const BUILT = join(import.meta.dirname, 'swagger-ui');

/** @returns the path of a file of Swagger UI @throws Error where it is not installed, as with \`--omit=dev\` */
export function swaggerUiFile(name: string): string {
  const built = join(BUILT, name);
  return existsSync(built) ? built : fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`));
}
