require 'shellwords'

# What a manifest is made of, in the words that Chef and itamae share.
module Tokendrop
  # Declares the file, and that it has to be applied. The command waits for the
  # outcome: where that is installed, now or in an earlier run, there is nothing
  # to do; where it is failed, the run fails with the reason.
  def self.manifest(recipe, path, text, readers, config, secret)
    apply = ['tokendrop', 'apply', '--config', config, path].shelljoin
    recipe.instance_eval do
      file path do
        content text
        owner 'root'
        group readers
        mode '0640'
        sensitive secret
      end
      execute "apply #{path}" do
        command apply
        not_if apply
      end
    end
  end
end
