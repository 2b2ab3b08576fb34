// Light and dark: the system's choice until somebody chooses.
import { recall, remember } from './memory'

export type Theme = 'light' | 'dark'

let chosen = $state<Theme | undefined>(undefined)
let system = $state<Theme>('light')

export function theme(): Theme {
  return chosen ?? system
}

export function beginTheme(): void {
  const remembered = recall('theme')
  chosen = remembered === 'dark' || remembered === 'light' ? remembered : undefined
  const dark = matchMedia('(prefers-color-scheme: dark)')
  system = dark.matches ? 'dark' : 'light'
  dark.addEventListener('change', () => {
    system = dark.matches ? 'dark' : 'light'
    apply()
  })
  apply()
}

export function toggleTheme(): void {
  chosen = theme() === 'dark' ? 'light' : 'dark'
  remember('theme', chosen)
  apply()
}

function apply(): void {
  document.documentElement.dataset['theme'] = theme()
}
