tokendrop::manifest { 'deploy.yaml':
  source => 'puppet:///modules/tokendrop/deploy.yaml',
}
