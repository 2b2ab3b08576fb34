// Whether the page is on its way to paper: canvases are painted anew for it, in colours for white.
import { flushSync } from 'svelte'

/** Call it while a component is made; it ends with the component. */
export function onPaper(): () => boolean {
  const paper = matchMedia('print')
  let printing = $state(paper.matches)
  $effect(() => {
    const to = (): void => flushSync(() => void (printing = true))
    const from = (): void => void (printing = false)
    const turned = (): void => (paper.matches ? to() : from())
    paper.addEventListener('change', turned)
    addEventListener('beforeprint', to)
    addEventListener('afterprint', from)
    return () => {
      paper.removeEventListener('change', turned)
      removeEventListener('beforeprint', to)
      removeEventListener('afterprint', from)
    }
  })
  return () => printing
}
