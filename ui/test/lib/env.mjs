// What the tests are given: addresses, the built program, the runtime to break things in. `tests/e2e/tests/page.rs` sets it.

/** An environment variable that must be set. */
function given(name, why) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set (${why}); run: cargo test -p hinomi-e2e --test page`)
  return value
}

/** Address of a running Hinomi that watches `dockerHost`, without a trailing slash. */
export const url = () => given('HINOMI_URL', 'a running Hinomi, like http://127.0.0.1:8119').replace(/\/$/, '')
/** Another one that asks for a token. */
export const tokenUrl = () => given('HINOMI_TOKEN_URL', 'a running Hinomi with a token').replace(/\/$/, '')
/** That token. */
export const token = () => given('HINOMI_TOKEN', 'the token of HINOMI_TOKEN_URL')
/** The built program, for tests that start a Hinomi of their own. */
export const binary = () => given('HINOMI_BIN', 'the built hinomi')
/** The runtime in which containers are broken. */
export const dockerHost = () => given('DOCKER_HOST', 'a Docker Engine to break things in')
/** An image with a busybox. */
export const image = process.env['HINOMI_TEST_IMAGE'] ?? 'bb'
/** On everything that is made; what carries it is removed afterwards. */
export const label = process.env['HINOMI_TEST_LABEL'] ?? 'hinomi.test=page'
/** The browser. */
export const chromiumPath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
