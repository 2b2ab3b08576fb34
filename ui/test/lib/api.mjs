// The API of a Hinomi, as a witness beside the page.

/** GET of a path behind `/api/hinomi/v1`, as JSON. */
export async function get(base, path, init = {}) {
  const response = await fetch(`${base}/api/hinomi/v1${path}`, init)
  if (!response.ok) throw new Error(`GET ${path}: status ${response.status}: ${(await response.text()).slice(0, 300)}`)
  return response.json()
}

/** All findings of a workload or container, open and over. */
export async function findingsOf(base, name) {
  const { findings } = await get(base, '/findings?all=true')
  return findings.filter((finding) => finding.resource.name === name)
}
